"""On one machine: trainings run side by side, as many as memory and cards allow."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from toy import PROJECT_ROOT, environment

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


@pytest.mark.parametrize(
    ("resources", "side_by_side"), [((), 2), (("--resources", "mem_mb=15000"), 1), (("--resources", "gpu=1"), 1)]
)
def test_as_many_train_at_a_time_as_there_are_resources_for(toy_run, tmp_path, resources, side_by_side):
    toy_run.copy_to(tmp_path / "run")
    command = ["-m", "snakemake", "--snakefile", PROJECT_ROOT / "Snakefile", "--directory", tmp_path / "run"]
    command += ["--configfile", tmp_path / "run" / "overlay.yaml", "--cores", "2", "--max-threads", "1", *resources]
    command += ["--forcerun", "warmup", "--", "warmups"]
    told = environment() | {"EAVES_FOLD_CACHE": str(tmp_path / "no folds")}
    most = 0
    with (tmp_path / "said").open("w+") as said:
        with subprocess.Popen(
            [sys.executable, *map(str, command)], cwd=PROJECT_ROOT, env=told, stdout=said, stderr=subprocess.STDOUT
        ) as main:
            while main.poll() is None:
                most = max(most, trainings(main.pid))
                time.sleep(0.05)
        said.seek(0)
        assert main.returncode == 0, said.read()
    assert most == side_by_side


def trainings(process: int) -> int:
    """How many folds a run trains now; a process that has just been forked from a training one is none of its own."""
    folds = set()
    for child in psutil.Process(process).children(recursive=True):
        try:
            command = child.cmdline()
        except psutil.Error:  # ended
            continue
        if len(command) > 1 and Path(command[1]).name == "warmup.py":
            folds.add(command[command.index("--fold") + 1])
    return len(folds)
