"""A fold's job, from its arguments to its files: out of the cache, resumed as it began, or out of memory."""

import argparse
import json
import logging
import shutil

import pytest
import tifffile
import torch
from test_training import tile
from toy import CONFIG, OVERLAY, SCRIPTS, merged

from eaves.core import environment
from eaves.core.errors import InputError
from eaves.models.files import read_recipe
from eaves.models.network import build
from eaves.training import checkpoints, fold, micro_batch
from eaves.training.fold import BLOCKS
from eaves.training.job import Phase

SMALL = {"crop_px": 32, "crops_per_tile": 8, "micro_batch": 2, "gradient_accumulation": 1, "batch_size": None}


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Trains fold 0 of three tiles for two epochs; what it writes is in the folder `results`."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for seed in (1, 2, 3):
        made = tile(seed, 64)
        tifffile.imwrite(tmp_path / f"{seed}_image.tif", made.image, photometric="minisblack", planarconfig="contig")
        tifffile.imwrite(tmp_path / f"{seed}_truth.tif", made.truth)
    (tmp_path / "folds.csv").write_text("tile,fold\n1,0\n2,1\n3,1\n")

    def train(cache=None, threads=1, **sample):
        settings = merged(CONFIG, OVERLAY, {"sample": {**SMALL, **sample}})
        results = tmp_path / "results"
        arguments = argparse.Namespace(
            **{"fold": 0, "folds": tmp_path / "folds.csv", "tiles_dir": tmp_path, "encoder": None, "fold_cache": cache},
            **{"output": results / "fold-0.safetensors", "history": results / "fold-0.csv", "tensorboard_dir": None},
            **{"checkpoint": results / "fold-0.pt", "checkpoint_minutes": 0, "checkpoint_steps": None},
            threads=threads,
            gpus=1,
        )
        blocks = {name: settings[name] for name in (*BLOCKS, "warmup")}
        script = SCRIPTS / "warmup.py"
        fold.train_fold("warmup", script, arguments, blocks, [Phase("warmup", 2, 1e-3, 1.0, 1.0)])
        return arguments.output

    return train


@pytest.mark.slow
def test_a_fold_is_taken_from_the_cache_only_by_its_like(job, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "eaves")
    first = job(tmp_path / "cache").read_bytes()

    def trained(**changes):
        caplog.clear()
        shutil.rmtree(tmp_path / "results")
        assert job(tmp_path / "cache", **changes).read_bytes() == first or changes
        taken = [line for line in caplog.messages if line.startswith("restored from the fold cache: ")]
        begun = [line for line in caplog.messages if line.startswith("warmup of fold 0")]
        assert len(taken) + len(begun) == 1
        return bool(begun)

    assert not trained()
    assert trained(threads=2)
    assert trained(crops_per_tile=4)
    assert not trained()
    monkeypatch.setattr(torch, "__version__", "9.9.9")
    assert trained()
    assert not trained()
    version = environment.version
    monkeypatch.setattr(environment, "version", lambda name: "9.9.9" if name == "timm" else version(name))
    # The models say by what they were made: another timm's is another file.
    caplog.clear()
    shutil.rmtree(tmp_path / "results")
    job(tmp_path / "cache")
    assert not [line for line in caplog.messages if line.startswith("taken")]


def test_a_resumed_run_computes_as_many_crops_at_a_time_as_it_began_with(job, tmp_path, monkeypatch):
    """What fits by now is something else."""
    expected = job(micro_batch="auto", batch_size=4).read_bytes()
    shutil.rmtree(tmp_path / "results")
    saved, save = [], checkpoints.save

    def stop(*arguments):
        save(*arguments)
        saved.append(arguments)
        if len(saved) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            job(micro_batch="auto", batch_size=4)
    per_crop = micro_batch.activation_bytes(build("test_resnet", channels=3), 3, 32)
    monkeypatch.setattr(micro_batch, "CPU_BYTES", 2 * per_crop)
    assert job(micro_batch="auto", batch_size=4).read_bytes() == expected
    assert read_recipe(tmp_path / "results" / "fold-0.safetensors")["trained"]["sample"]["micro_batch"] == 4


def test_memory_that_is_nearly_full_is_one_line_with_what_would_fit(job, monkeypatch):
    def full(*arguments):
        raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")

    monkeypatch.setattr(fold, "train", full)
    with pytest.raises(InputError, match=r"out of memory on cpu .* sample.micro_batch: 1 with .* would fit"):
        job()


def test_another_fault_of_a_step_is_not_taken_for_it(job, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(fold, "train", broken)
    with pytest.raises(RuntimeError, match="illegal"):
        job()


def test_a_model_says_what_trained_it(job):
    recipe = read_recipe(job())
    assert recipe["made_with"]["packages"].keys() == {"python", "torch", "torchvision", "timm", "numpy"}
    assert json.dumps(recipe["trained"]["sample"], sort_keys=True) == json.dumps(
        merged(CONFIG, OVERLAY, {"sample": SMALL})["sample"], sort_keys=True
    )
