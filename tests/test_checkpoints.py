"""Unfinished training on the disk survives whatever happens while it is written."""

import os

import pytest
import torch

from eaves.core.errors import WriteError
from eaves.training import checkpoints


def state(number):
    return {"weights": torch.full((3,), float(number)), "epoch": number, "history": [{"loss": 0.5}], "best": None}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "train-0.pt"


def epoch_of(path, run="this"):
    found = checkpoints.load(path, run)
    return None if found is None else found["epoch"]


def damage(path, kind):
    content = path.read_bytes()
    flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    damaged = {"cut short": content[:-50], "empty": b"", "a bit flipped": flipped}
    path.write_bytes(damaged[kind])


def test_what_was_saved_last_is_loaded(path):
    assert checkpoints.load(path, "this") is None
    for number in (1, 2, 3):
        checkpoints.save(path, state(number), "this")
    found = checkpoints.load(path, "this")
    assert torch.equal(found.pop("weights"), state(3)["weights"])
    assert found == {name: value for name, value in state(3).items() if name != "weights"}


@pytest.mark.parametrize("kind", ["cut short", "empty", "a bit flipped"])
def test_a_damaged_one_gives_way_to_the_one_before(path, kind):
    checkpoints.save(path, state(1), "this")
    damage(path, kind)
    assert epoch_of(path) is None
    checkpoints.save(path, state(1), "this")
    checkpoints.save(path, state(2), "this")
    damage(path, kind)
    assert epoch_of(path) == 1


def test_one_that_vanished_gives_way_to_the_one_before(path):
    checkpoints.save(path, state(1), "this")
    checkpoints.save(path, state(2), "this")
    path.unlink()  # as if killed between the two renamings
    assert epoch_of(path) == 1


def test_another_runs_is_left_alone(path):
    checkpoints.save(path, state(1), "this")
    assert epoch_of(path, "other") is None
    checkpoints.save(path, state(2), "other")
    assert epoch_of(path) is None
    assert epoch_of(path, "other") == 2


@pytest.mark.parametrize("stopped_at", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_last_one_and_no_rubbish(path, monkeypatch, stopped_at):
    checkpoints.save(path, state(1), "this")

    def full(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if stopped_at == "fsync" else type(path), stopped_at, full)
        with pytest.raises(WriteError, match=r"train-0\.pt: cannot be written: .* is full"):
            checkpoints.save(path, state(2), "this")
    assert epoch_of(path) == 1
    assert [file.name for file in path.parent.iterdir()] == [path.name]
