"""What training tells of itself: a line an epoch, TensorBoard's curves and pictures."""

import logging

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_training import CPU, network, run_of

from eaves.training import loop
from eaves.training.job import Phase
from eaves.training.trainer import Trainer

PHASES = [Phase("main", 2, 0.02, 1.0, 1.0), Phase("final", 1, 0.002, 1.5, 0.5)]


def test_curves_and_pictures(tmp_path, caplog):
    run = run_of(tmp_path, PHASES)
    run = run.__class__(**vars(run) | {"tensorboard_dir": tmp_path / "tensorboard"})
    caplog.set_level(logging.INFO, "eaves")
    history = loop.train(network(), run, CPU)
    events = EventAccumulator(str(run.tensorboard_dir), {"images": 0, "scalars": 0}).Reload()
    assert len(events.Scalars("step/loss")) == 18
    losses = [event.value for event in events.Scalars("epoch/val_loss")]
    assert losses == pytest.approx([row["val_loss"] for row in history], rel=1e-5)
    assert [event.step for event in events.Scalars("epoch/loss")] == [6, 12, 18]
    pictures = events.Tags()["images"]
    assert pictures[0] == "val/0 tile-7"
    assert (events.Images(pictures[0])[0].width, events.Images(pictures[0])[0].height) == (96, 32)
    said = [line for line in caplog.messages if line.startswith("epoch")]
    assert len(said) == 3
    assert "crops/s" in said[0]
    assert said[-1].endswith("00:00 left")


class OnCard(torch.Tensor):
    """A tensor that takes itself for one on a GPU: it is computed with its like alone, until it is fetched."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        tensors = [part for given in args for part in (given if isinstance(given, list | tuple) else [given])]
        if function is torch.cat and len({type(part) for part in tensors if isinstance(part, torch.Tensor)}) > 1:
            raise RuntimeError("Expected all tensors to be on the same device")
        made = super().__torch_function__(function, types, args, kwargs)
        fetched = function is torch.Tensor.cpu or (function is torch.Tensor.expand_as and type(args[0]) is torch.Tensor)
        return made.as_subclass(torch.Tensor) if fetched else made


def test_pictures_are_drawn_of_what_a_gpu_has_computed(tmp_path, monkeypatch):
    def validation_step(trainer, batch, phase):
        figures, image, logits = original(trainer, batch, phase)
        return figures, image.as_subclass(OnCard), logits.as_subclass(OnCard)

    original = Trainer.validation_step
    monkeypatch.setattr(Trainer, "validation_step", validation_step)
    run = run_of(tmp_path, PHASES)
    run = run.__class__(**vars(run) | {"tensorboard_dir": tmp_path / "tensorboard"})
    loop.train(network(), run, CPU)
    assert EventAccumulator(str(run.tensorboard_dir), {"images": 0}).Reload().Tags()["images"]


def test_without_tensorboard_nothing_is_written(tmp_path):
    loop.train(network(), run_of(tmp_path, PHASES), CPU)
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"train-0"}
