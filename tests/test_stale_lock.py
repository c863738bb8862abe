"""A dead run's lock goes, a live one's stays."""

import subprocess
import sys

import pytest
from toy import SCRIPTS

from eaves.workflow import stale_lock

HOLD = f"""
import sys, time
sys.path.insert(0, {str(SCRIPTS)!r})
from pathlib import Path
from eaves.workflow import stale_lock
print(stale_lock.remove_if_stale(Path(sys.argv[1])), flush=True)
subprocess = __import__("subprocess").Popen(["sleep", "60"])
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "locks").mkdir()
    return tmp_path


@pytest.fixture
def start(folder):
    """Starts a process that behaves as Snakemake does, with a job of its own."""
    started = []

    def begin():
        process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, process.stdout.readline().strip()

    yield begin
    for process in started:
        process.kill()


def test_the_lock_of_a_run_that_is_alive_stays(folder, start):
    _, said = start()
    assert said == "False"
    lock = folder / "locks" / "0.input.lock"
    lock.write_text("results/a.tif")
    assert not stale_lock.remove_if_stale(folder)
    assert start()[1] == "False"  # a second one that lives does not matter
    assert lock.exists()


def test_the_lock_of_a_dead_run_is_removed_though_its_job_lives_on(folder, start):
    process, _ = start()
    lock = folder / "locks" / "0.input.lock"
    lock.write_text("results/a.tif")
    process.kill()
    process.wait()
    assert start()[1] == "True"
    assert not lock.exists()


def test_nothing_to_remove(tmp_path):
    assert not stale_lock.remove_if_stale(tmp_path / "new")
    assert (tmp_path / "new" / "alive").exists()
