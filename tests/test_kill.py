"""Power cuts: training in a process of its own, killed by SIGKILL at random moments, ends in the same weights.

Resuming is tested on several levels, each for what the one below cannot show:

- test_checkpoints.py: a damaged or missing checkpoint gives way to the one before.
- test_training.py: a loop stopped after any step resumes with the same state, in one process.
- here: the files survive a kill at any moment, also while they are written.
- test_distributed.py (slow): two processes that train one network end together and resume.
- test_pipeline.py: the script `train.py` resumes after SIGKILL and after SIGTERM.
- test_interrupt.py (slow): Ctrl-C reaches every process of a Snakemake run, which resumes by the same command.
- test_dvc.py (slow): `dvc repro` resumes after its whole process group was killed.
- test_slurm.py (slow): jobs that SLURM cancels, stops at their time limit or moves from a node resume.
"""

import multiprocessing
import random
import time
from pathlib import Path

import pytest
import torch._dynamo  # noqa: F401  the optimizer imports it, which takes seconds; forked processes inherit it
from test_training import network, resume, run_of

from eaves.compute import devices
from eaves.models.files import save_model
from eaves.training.job import Phase

PHASES = [Phase("main", 2, 1e-3, 1.0, 1.0), Phase("decay", 1, 1e-4, 1.0, 1.0), Phase("final", 2, 1e-4, 1.5, 0.5)]


def train(folder: Path) -> None:
    """What the process does: train for five epochs of six steps, a checkpoint a step."""
    devices.make_deterministic(1, threads=1)
    learning = network()
    history = resume(learning, run_of(folder, PHASES, minutes=0))
    save_model(folder / "model.safetensors", learning, {"history": history})


@pytest.mark.parametrize("least_kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_weights_are_the_same_however_often_the_process_is_killed(tmp_path, least_kills):
    def start(folder):
        # A fork starts at once. It inherits no threads, and needs none: it trains with one.
        process = multiprocessing.get_context("fork").Process(target=train, args=(folder,))
        process.start()
        return process

    began = time.monotonic()
    whole = start(tmp_path / "whole")
    whole.join()
    assert whole.exitcode == 0
    expected = (tmp_path / "whole" / "model.safetensors").read_bytes()
    lasts_s = time.monotonic() - began

    chance, kills, runs, where = random.Random(7), 0, 0, set()
    while kills < least_kills:
        runs += 1
        folder = tmp_path / f"run-{runs}"
        while not (folder / "model.safetensors").exists():
            process = start(folder)
            process.join(timeout=chance.uniform(0.1, 0.6) * lasts_s)
            if process.is_alive():
                process.kill()
                kills += 1
                where.add(tuple(path.stat().st_size for path in sorted(folder.glob("*"))))
            process.join()
        assert (folder / "model.safetensors").read_bytes() == expected
    assert len(where) > 1  # it was killed in more than one place
