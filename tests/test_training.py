"""The training loop: gradients, statistics, the epoch that is kept, and a run taken up at any step."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from toy import CONFIG

from eaves.core.errors import InputError
from eaves.tiles.crops import Tile
from eaves.training import augment, checkpoints, loop
from eaves.training.job import Phase, TrainingJob
from eaves.training.sampler import Batch, Sampler
from eaves.training.trainer import Trainer

CPU = torch.device("cpu")
SIZE = 32
STILL = augment.Draw(np.eye(3, dtype=np.float32)[:2], np.zeros(3, np.float32))
MAIN = Phase("main", 1, 0.01, 1.0, 1.0)


def tile(seed, across=48):
    """Buildings are bright and high, in noise."""
    generator = np.random.default_rng(seed)
    truth = np.kron(generator.integers(0, 2, (across // 8, across // 8)), np.ones((8, 8), int)).astype(np.int32)
    noise = generator.integers(0, 80, (across, across, 4))
    image = noise + truth[..., None] * 150
    return Tile(f"tile-{seed}", image.astype(np.int16), truth)


def network(batch_norm=True, seed=1):
    """No bias before batch norm: its gradient is nothing but rounding, which Adam would make steps of."""
    torch.manual_seed(seed)
    layers = [
        nn.Conv2d(4, 6, 3, padding=1, bias=not batch_norm),
        nn.BatchNorm2d(6) if batch_norm else nn.Identity(),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, nn.Conv2d(6, 1, 3, padding=1))


def run_of(tmp_path, phases=(MAIN,), held_out=(7,), optimize=None, minutes=10, **sample):
    sampling = (
        CONFIG["sample"] | {"crop_px": SIZE, "crops_per_tile": 4, "micro_batch": 2, "gradient_accumulation": 1} | sample
    )
    optimizing = CONFIG["optimize"] | {"precision": "fp32", "clip_norm": 1e9} | (optimize or {})
    settings = {"input": CONFIG["input"], "sample": sampling, "augment": CONFIG["augment"], "optimize": optimizing}
    tiles = [tile(seed) for seed in (1, 2, 3)]
    return TrainingJob(
        phases=list(phases),
        settings=settings,
        sampler=Sampler(tiles, sampling, CONFIG["augment"], (42, 0, 1)),
        val_tiles=[tile(seed) for seed in held_out],
        channels=4,
        checkpoint=tmp_path / "train-0.pt",
        identity="this run",
        checkpoint_minutes=minutes,
    )


def resume(net, run, device=CPU, group=None):
    """Train from the run's checkpoint, if it has one."""
    return loop.train(net, run, device, group, checkpoints.load(run.checkpoint, run.identity))


def crops(*seeds, size=SIZE):
    made = [tile(seed, max(48, size)) for seed in seeds]
    images = np.stack([one.image[:size, :size] for one in made])
    truths = np.stack([one.truth[:size, :size].astype(np.int8) for one in made])
    return Batch(torch.from_numpy(images), torch.from_numpy(truths), [STILL] * len(made), [one.name for one in made])


def step(net, micro_batches, run):
    """One step of plain gradient descent at a rate of 1: what is subtracted is the gradient."""
    before = [parameter.detach().clone() for parameter in net.parameters()]
    trainer = Trainer(net.train(), run.settings, run.channels, CPU)
    trainer.optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    loss, _ = trainer.training_step(micro_batches, run.phases[0])
    return float(loss), [old - new.detach() for old, new in zip(before, net.parameters(), strict=True)]


@pytest.mark.parametrize("parts", [[(1,), (2,), (3,), (4,)], [(1, 2), (3, 4)]])
def test_gradients_accumulated_are_those_of_one_batch(tmp_path, parts):
    run = run_of(tmp_path)
    loss, whole = step(network(batch_norm=False), [crops(1, 2, 3, 4)], run)
    summed_loss, summed = step(network(batch_norm=False), [crops(*part) for part in parts], run)
    assert summed_loss == pytest.approx(loss, rel=1e-5)
    for one, other in zip(summed, whole, strict=True):
        assert one.abs().max() > 1e-4
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_the_gradients_norm_is_cut_off(tmp_path):
    _, free = step(network(), [crops(1, 2)], run_of(tmp_path))
    _, clipped = step(network(), [crops(1, 2)], run_of(tmp_path, optimize={"clip_norm": 0.01}))
    norms = [torch.cat([part.flatten() for part in parts]).norm().item() for parts in (free, clipped)]
    assert norms[0] > 0.02
    assert norms[1] == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(("batch_norm", "updates"), [("all", 3), ("first", 1)])
def test_statistics_come_from_all_micro_batches_or_from_the_first(tmp_path, batch_norm, updates):
    run = run_of(tmp_path, optimize={"batch_norm": batch_norm})
    net, micro_batches = network(), [crops(1), crops(2), crops(3)]
    expected = network().train()
    for batch in micro_batches[:updates]:
        expected(Trainer(network(), run.settings, 4, CPU).prepare_batch(batch)[0])
    step(net, micro_batches, run)
    assert net[1].num_batches_tracked.item() == updates
    torch.testing.assert_close(net[1].running_mean, expected[1].running_mean)
    torch.testing.assert_close(net[1].running_var, expected[1].running_var)
    step(net, micro_batches, run)
    assert net[1].num_batches_tracked.item() == 2 * updates


def test_a_network_learns_what_can_be_learnt(tmp_path):
    phases = [Phase("main", 6, 0.02, 1.0, 1.0), Phase("final", 2, 0.002, 1.5, 0.5)]
    history = loop.train(network(), run_of(tmp_path, phases, crops_per_tile=8), CPU)
    assert [row["phase"] for row in history] == ["main"] * 6 + ["final"] * 2
    assert [row["lr"] for row in history] == [0.02] * 6 + [0.002] * 2
    assert [row["epoch"] for row in history] == list(range(1, 9))
    assert history[5]["val_loss"] < 0.6 * history[0]["val_loss"]
    assert history[-1]["val_dice"] > 0.8


def test_the_best_epoch_of_the_last_phase_is_kept(tmp_path, monkeypatch):
    losses, states = iter([0.1, 0.2, 0.5, 0.3, 0.4]), []

    def validate(trainer, *_):
        states.append(deepcopy(trainer.network.state_dict()))
        return {"val_loss": next(losses), "val_dice": 0.5}

    monkeypatch.setattr(loop, "_validate", validate)
    net = network()
    loop.train(net, run_of(tmp_path, [replace(MAIN, epochs=2), replace(MAIN, name="final", epochs=3)]), CPU)
    kept = [all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items()) for state in states]
    assert kept == [False, False, False, True, False]


def test_with_nothing_held_out_the_last_epoch_is_kept(tmp_path):
    phases = [Phase("main", 3, 0.02, 1.0, 1.0)]
    with_some, without = network(), network()
    history = loop.train(without, run_of(tmp_path / "without", phases, held_out=()), CPU)
    assert all(np.isnan(row["val_loss"]) for row in history)
    scored = loop.train(with_some, run_of(tmp_path, phases), CPU)
    assert min(scored, key=lambda row: row["val_loss"])["epoch"] == 3
    for one, other in zip(without.parameters(), with_some.parameters(), strict=True):
        assert torch.equal(one, other)


def test_no_epochs_change_nothing(tmp_path):
    net = network()
    assert loop.train(net, run_of(tmp_path, [replace(MAIN, epochs=0)]), CPU) == []
    for one, other in zip(net.parameters(), network().parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("stopped_after", [1, 5, 6, 7, 12, 17, 18])
def test_a_run_stopped_after_any_step_ends_in_the_same_weights(tmp_path, monkeypatch, stopped_after):
    phases = [Phase("main", 1, 0.02, 1.0, 1.0), Phase("final", 2, 0.3, 1.5, 0.5)]  # of six steps an epoch
    whole, first, second = network(), network(), network(seed=2)
    history = loop.train(whole, run_of(tmp_path / "whole", phases), CPU)

    run = run_of(tmp_path / "stopped", phases, minutes=0)
    saved = []

    def stop(*arguments):
        checkpoints_save(*arguments)
        saved.append(arguments)
        if len(saved) == stopped_after:
            raise KeyboardInterrupt

    checkpoints_save = checkpoints.save
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            loop.train(first, run, CPU)
    assert resume(second, run) == history
    for (name, one), other in zip(whole.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_a_checkpoint_is_written_after_so_many_steps(tmp_path, monkeypatch):
    places = []
    monkeypatch.setattr(checkpoints, "save", lambda _, state, run: places.append(state["progress"]["step"]))
    run = run_of(tmp_path, [Phase("main", 2, 0.02, 1.0, 1.0)], minutes=60)  # of six steps an epoch
    loop.train(network(), replace(run, checkpoint_steps=4), CPU)
    assert places == [4, 4, 0]  # and at the end


def test_a_checkpoint_keeps_how_many_crops_are_computed_at_a_time(tmp_path):
    run = run_of(tmp_path, micro_batch=4)
    loop.train(network(), run, CPU)
    assert checkpoints.load(run.checkpoint, run.identity)["sample"] == run.sampler.sample


def test_another_runs_checkpoint_is_not_taken_up(tmp_path):
    run = run_of(tmp_path, minutes=0)
    loop.train(network(), run, CPU)
    again = resume(network(), replace(run, identity="other settings"))
    assert again == loop.train(network(), run_of(tmp_path / "elsewhere"), CPU)


def test_a_loss_that_is_not_finite_names_epoch_step_and_tiles(tmp_path):
    net = network()
    with torch.no_grad():
        net[3].bias[:] = float("nan")
    said = r"the loss is nan in epoch 1, step 1, on tile-\d.*; inspect these tiles, or lower"
    with pytest.raises(InputError, match=said):
        loop.train(net, run_of(tmp_path), CPU)
