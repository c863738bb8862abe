"""GPU leases, with pretended cards (a stand-in for nvidia-smi) and real processes, killed ones included."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eaves import lease

LIBRARY = Path(lease.__file__).parents[1]
HOLD = """
import logging, sys, time
from pathlib import Path
from eaves import console, lease
console.LOG.addHandler(logging.StreamHandler(sys.stdout)); console.LOG.setLevel(logging.INFO)
cards = lease.lease_cards(int(sys.argv[2]), Path(sys.argv[1]))
print("has", ",".join(cards), flush=True)
time.sleep(60)
"""


@pytest.fixture
def machine(tmp_path):
    """Starts processes that lease one of four pretended cards; all are ended with the test."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor i in 0 1 2 3; do echo "$i, GPU-$i"; done\n')
    program.chmod(0o755)
    started = []

    def start(count=1, **variables):
        clean = {name: value for name, value in os.environ.items() if name not in lease.CLUSTER_VARIABLES}
        clean.pop("CUDA_VISIBLE_DEVICES", None)
        path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path / "locks"), str(count)],
            env=clean | {"PATH": path, "PYTHONPATH": str(LIBRARY), **variables},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def card_of(process):
    """The card that a process says it has; lines before that are passed over."""
    for line in process.stdout:
        if line.startswith("has "):
            return line.removeprefix("has ").strip()
    raise AssertionError("the process ended without a word")


def test_every_process_gets_a_card_of_its_own_and_a_fifth_waits_until_one_is_killed(machine):
    processes = [machine() for _ in range(4)]
    cards = [card_of(process) for process in processes]
    assert sorted(cards) == ["GPU-0", "GPU-1", "GPU-2", "GPU-3"]
    fifth = machine()
    assert "waiting" in fifth.stdout.readline()
    killed = processes[2]
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    freed = time.monotonic()
    assert card_of(fifth) == cards[2]
    assert time.monotonic() - freed < 10


def test_only_visible_cards_are_taken(machine):
    assert {card_of(machine(CUDA_VISIBLE_DEVICES="2,3")) for _ in range(2)} == {"GPU-2", "GPU-3"}


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "1"},
        {"CUDA_VISIBLE_DEVICES": "MIG-1234"},
        {"CUDA_VISIBLE_DEVICES": ""},
    ],
)
def test_assigned_cards_slices_and_hidden_cards_are_left_as_given(machine, variables):
    assert card_of(machine(**variables)) == ""


def test_several_cards_are_taken_together_or_not_at_all(machine):
    one, two = machine(), machine(count=2)
    taken = [card_of(one), *card_of(two).split(",")]
    assert len(set(taken)) == 3
    waiting = machine(count=2)  # one card is left: it is not kept from others while a second one is missing
    assert "waiting" in waiting.stdout.readline()
    last = machine()
    free = card_of(last)
    assert free not in taken
    two.kill()
    assert set(card_of(waiting).split(",")) == set(taken[1:])


def test_more_cards_than_there_are_is_an_error(machine):
    process = machine(count=5)
    assert process.wait() != 0


def test_entries_after_an_invalid_one_are_ignored_as_cuda_does():
    installed = [("0", "GPU-aa"), ("1", "GPU-bb")]
    assert lease.usable_cards(installed, "1,7,0") == ["GPU-bb"]
    assert lease.usable_cards(installed, None) == ["GPU-aa", "GPU-bb"]


def test_no_program_no_cards(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert lease.installed_cards() == []
