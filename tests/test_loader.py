"""Crops that are cut ahead, by any number of threads, are those that are due."""

import tracemalloc

import numpy as np
import pytest
import torch
from test_sampler import SAMPLE, drawn, sampler
from test_training import CPU, network, run_of
from toy import CONFIG

from eaves.tiles.crops import Tile
from eaves.training import loader, loop
from eaves.training.job import Phase
from eaves.training.sampler import Sampler


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("first", [0, 3, 5])
def test_the_steps_come_in_order_from_the_first_one_wanted(threads, first):
    steps = sampler()
    found = [(step, drawn(batches)) for step, batches in loader.steps(steps, 2, first, threads=threads)]
    assert found == [(step, drawn(steps.draw(2, step))) for step in range(first, steps.steps_per_epoch)]


def test_each_process_gets_its_share():
    shares = [list(loader.steps(sampler(), 0, 0, rank, 3)) for rank in range(3)]
    for step, whole in enumerate(sampler().draw(0, number) for number in range(5)):
        assert drawn(whole) == [drawn(shares[rank][step][1])[0] for rank in range(3)]


def test_a_fault_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(Sampler, "draw", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(loader.steps(sampler(), 0, 0))


def test_the_number_of_threads_changes_no_bit_of_the_weights(tmp_path):
    states = []
    for loaders in (1, 4):
        learning = network()
        run = run_of(tmp_path / str(loaders), [Phase("main", 2, 0.02, 1.0, 1.0)])
        loop.train(learning, run.__class__(**vars(run) | {"loader_threads": loaders}), CPU)
        states.append(learning.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_memory_grows_with_the_batch_and_not_with_the_tiles(tmp_path):
    """Tiles are mapped files; what is held of them is the crops of the steps in hand."""
    image = np.memmap(tmp_path / "image", np.int16, "w+", shape=(512, 512, 4))
    truth = np.memmap(tmp_path / "truth", np.int32, "w+", shape=(512, 512))

    def peak(tiles, size):
        sample = SAMPLE | {
            "crop_px": 128,
            "micro_batch": size,
            "gradient_accumulation": 1,
            "crops_per_tile": 40 // tiles,
        }
        steps = Sampler([Tile(str(number), image, truth) for number in range(tiles)], sample, CONFIG["augment"], (1,))
        tracemalloc.start()
        for _ in loader.steps(steps, 0, 0):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(40, 4) < 1.2 * peak(4, 4)
    assert peak(4, 8) > 1.3 * peak(4, 4)
