"""What a checkpoint and an entry of the cache of folds belong to: all that can change weights, and nothing else."""

import copy
import importlib.metadata
from pathlib import Path

import pytest
import torch
from test_training import CPU, network, run_of
from toy import SCRIPTS

from eaves.core import environment
from eaves.training.identity import identity


@pytest.fixture
def key(tmp_path):
    """Computes the identity of a run; what is given differs from the usual."""
    (tmp_path / "folds.csv").write_text("tile,fold,sha256\nA_1,0,aa\n")

    def compute(settings=None, **changes):
        usual = {"script": SCRIPTS / "train.py", "fold": 0, "folds_file": tmp_path / "folds.csv", "network": network()}
        usual |= {"settings": settings or run_of(tmp_path).settings, "device": CPU, "processes": 1, "threads": 1}
        return identity(**usual | changes)

    return compute


def version_of(name, other):
    """The installed versions, but for one package's."""
    version = importlib.metadata.version
    return lambda package: other if package == name else version(package)


def test_the_same_is_the_same(key):
    assert key() == key()


def test_what_is_trained_counts(key, tmp_path):
    (tmp_path / "other.csv").write_text("tile,fold,sha256\nA_1,0,bb\n")
    settings = copy.deepcopy(run_of(tmp_path).settings)
    settings["augment"]["flip"] = not settings["augment"]["flip"]
    others = [
        key(settings),
        key(fold=1),
        key(folds_file=tmp_path / "other.csv"),
        key(network=network(seed=2)),
        key(script=SCRIPTS / "warmup.py"),
        key(processes=2),
        key(threads=2),
    ]
    assert len({key(), *others}) == 1 + len(others)


@pytest.mark.parametrize("package", ["torch", "torchvision", "timm", "numpy"])
def test_versions_of_packages_count(key, monkeypatch, package):
    usual = key()
    monkeypatch.setattr(environment, "version", version_of(package, "0.1"))
    if package == "torch":
        monkeypatch.setattr(torch, "__version__", "0.1")
    assert key() != usual


def test_a_patch_of_python_and_other_packages_do_not_count(key, monkeypatch):
    usual = key()
    monkeypatch.setattr(environment, "version", version_of("pandas", "0.1"))
    monkeypatch.setattr("platform.python_version", lambda: "3.11.99")
    assert key() == usual


def test_the_processors_instructions_and_its_precision_count(key, tmp_path, monkeypatch):
    settings = copy.deepcopy(run_of(tmp_path).settings)
    settings["optimize"]["precision"] = "auto"
    found = set()
    for fast in (True, False):  # `auto` is another precision
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda fast=fast: {"avx512_bf16": fast}, raising=False)
        found.add(key(settings))
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX1024")
    found.add(key(settings))
    assert len(found) == 3


def test_the_card_and_its_software_count_and_all_of_a_team_have_one_identity(key, tmp_path, monkeypatch):
    settings = copy.deepcopy(run_of(tmp_path).settings)
    settings["optimize"]["precision"] = "auto"
    card = {"names": ["V100", "V100"], "cuda": "12.8", "cudnn": 91000, "capability": (7, 0)}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: card["names"][device.index])

    def capability(device):
        return (8, 0) if card["names"][device.index] == "A100" else card["capability"]

    monkeypatch.setattr(torch.cuda, "get_device_capability", capability)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: card["cudnn"])

    def on_card(number=0, **changes):
        card.update(changes)
        monkeypatch.setattr(torch.version, "cuda", card["cuda"])
        return key(settings, device=torch.device("cuda", number), processes=2, threads=1)

    usual = on_card()
    assert usual == on_card(number=1)
    assert usual == key(settings, device=torch.device("cuda", 0), processes=2, threads=8)
    found = [on_card(cuda="13.0"), on_card(cudnn=92000), on_card(names=["V100", "T4"]), on_card(names=["A100"] * 2)]
    found.append(on_card(names=["V100"] * 2, capability=(8, 0)))
    assert len({usual, *found}) == 6
    mixed = {on_card(number, names=["A100", "T4"]) for number in (0, 1)}
    assert len(mixed) == 1


def test_the_folds_key_is_no_path(key, tmp_path):
    (tmp_path / "moved").mkdir()
    moved = (tmp_path / "moved" / "folds.csv").resolve()
    moved.write_bytes((tmp_path / "folds.csv").read_bytes())
    assert key(folds_file=Path(moved)) == key()
