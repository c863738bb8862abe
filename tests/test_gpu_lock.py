"""Locks on GPUs, with pretended cards (a stand-in for nvidia-smi) and real processes, killed ones included."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from eaves.compute import devices, gpu_lock
from eaves.compute.gpu_lock import Gpu
from eaves.core.errors import InputError

LIBRARY = Path(gpu_lock.__file__).parents[2]
HOLD = """
import logging, sys, time
from pathlib import Path
from eaves.core import cli
from eaves.compute import gpu_lock
cli.LOG.addHandler(logging.StreamHandler(sys.stdout)); cli.LOG.setLevel(logging.INFO)
gpus = gpu_lock.lock_gpus(int(sys.argv[2]), Path(sys.argv[1]))
print("has", ",".join(gpus), flush=True)
time.sleep(60)
"""

MIG = """#!/bin/sh
echo 'GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-0)'
echo '  MIG 3g.20gb     Device  0: (UUID: MIG-1111-aa)'
echo '  MIG 1g.5gb      Device  1: (UUID: MIG-2222-bb)'
echo 'GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-1)'
"""


@pytest.fixture
def machine(tmp_path):
    """Start processes that lock one of four simulated GPUs; all are ended with the test."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor i in 0 1 2 3; do echo "GPU $i: NVIDIA A100 (UUID: GPU-$i)"; done\n')
    program.chmod(0o755)
    started = []

    def start(count=1, **variables):
        clean = {name: value for name, value in os.environ.items() if name not in gpu_lock.SHARED_GPU_VARIABLES}
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


@pytest.mark.parametrize("variables", [{"SLURM_JOB_ID": "7"}, {"JOB_ID": "left over"}, {"PBS_JOBID": "7"}])
def test_local_jobs_in_an_allocation_of_several_cards_get_one_each(machine, variables):
    processes = [machine(CUDA_VISIBLE_DEVICES="1,3", **variables) for _ in range(2)]
    assert {card_of(process) for process in processes} == {"GPU-1", "GPU-3"}
    assert "waiting" in machine(CUDA_VISIBLE_DEVICES="1,3", **variables).stdout.readline()


@pytest.mark.parametrize("variables", [{"SLURM_SHARDS_ON_NODE": "1"}, {"CUDA_VISIBLE_DEVICES": ""}])
def test_shares_of_a_card_and_hidden_cards_are_left_as_given(machine, variables):
    assert card_of(machine(**variables)) == ""
    assert card_of(machine(**variables)) == ""


def test_of_a_card_that_is_cut_up_every_process_gets_a_slice(machine, tmp_path):
    (tmp_path / "bin" / "nvidia-smi").write_text(MIG)
    slices = {card_of(machine()) for _ in range(3)}
    assert slices == {"MIG-1111-aa", "MIG-2222-bb", "GPU-1"}
    assert "waiting" in machine().stdout.readline()
    assert "waiting" in machine(CUDA_VISIBLE_DEVICES="MIG-2222-bb").stdout.readline()


def test_a_fold_is_not_trained_on_several_slices(machine, tmp_path):
    """CUDA uses one slice a process."""
    (tmp_path / "bin" / "nvidia-smi").write_text(MIG)
    process = machine(count=2)
    assert process.wait() != 0


def test_numbers_are_nvidia_smis(machine, monkeypatch):
    """CUDA counts the fastest first, unless it is told otherwise."""
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    gpu_lock.lock_gpus()
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_a_folder_of_locks_that_cannot_be_used_costs_a_warning(machine, tmp_path):
    (tmp_path / "locks").touch()
    process = machine()
    assert "no GPU is locked" in process.stdout.readline()
    assert card_of(process) == ""


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
    installed = [Gpu("0", "GPU-aa"), Gpu("1", "GPU-bb")]
    assert gpu_lock.visible_gpus(installed, "1,7,0") == ["GPU-bb"]
    assert gpu_lock.visible_gpus(installed, None) == ["GPU-aa", "GPU-bb"]


INFORMATION = """Model: \t\t NVIDIA H100
IRQ:   \t\t 16
GPU UUID: \t {uuid}
Bus Type: \t PCIe
Bus Location: \t 0000:{bus}:00.0
Device Minor: \t {minor}
"""


def test_without_nvidia_smi_the_drivers_list_is_read(monkeypatch, tmp_path):
    """By PCI bus, and of it what may be opened: a cluster's job sees all of the machine's cards there."""
    monkeypatch.setenv("PATH", "")
    assert gpu_lock.installed_gpus() == []
    for bus, minor, uuid in (("65", 0, "GPU-bb"), ("17", 2, "GPU-aa"), ("b3", 1, "GPU-cc"), ("ca", 3, "GPU-????")):
        (tmp_path / f"0000:{bus}:00.0").mkdir()
        information = INFORMATION.format(uuid=uuid, bus=bus, minor=minor)
        (tmp_path / f"0000:{bus}:00.0" / "information").write_text(information)
    monkeypatch.setattr(gpu_lock, "_can_open", lambda device: str(device) in ("/dev/nvidia0", "/dev/nvidia2"))
    assert gpu_lock._list_from_driver(tmp_path) == [Gpu("0", "GPU-aa"), Gpu("1", "GPU-bb")]


def test_a_program_that_never_answers_does_not_stop_a_run(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(gpu_lock, "NVIDIA_SMI_TIMEOUT_S", 0.1)
    assert gpu_lock.installed_gpus() == []


def test_a_device_that_is_not_there_cannot_be_used(tmp_path):
    assert not gpu_lock._can_open(tmp_path / "nvidia0")
    assert gpu_lock._can_open(Path(os.devnull))


def test_torch_for_the_processor_takes_no_card(monkeypatch):
    locked = []
    monkeypatch.setattr(devices, "lock_gpus", locked.append)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert devices.select_devices() == [torch.device("cpu")]
    assert not locked


def test_several_gpus_are_selected_or_their_lack_is_an_error(monkeypatch, caplog):
    monkeypatch.setattr(torch.version, "cuda", None)
    with caplog.at_level("INFO", logger="eaves"):
        assert devices.select_devices(2) == [torch.device("cpu")]
    assert "no GPU available" in caplog.text
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.select_devices(2) == [torch.device("cuda", 0), torch.device("cuda", 1)]
    with pytest.raises(InputError, match="3 GPUs are configured, but only 2 are available"):
        devices.select_devices(3)


def test_locking_within_one_process(machine, monkeypatch, tmp_path, caplog):
    """The same as in processes of their own, whose lines no coverage counts once they are killed."""
    caplog.set_level("INFO", logger="eaves")
    for name in gpu_lock.SHARED_GPU_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.setattr(gpu_lock, "_held", [])
    monkeypatch.setattr(gpu_lock, "time", SimpleNamespace(sleep=lambda seconds: gpu_lock._held[0].release()))
    with pytest.raises(InputError, match="5 GPUs are configured, but only 4 are available"):
        gpu_lock.lock_gpus(5, tmp_path / "locks")
    assert gpu_lock.lock_gpus(3, tmp_path / "locks") == ["GPU-0", "GPU-1", "GPU-2"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-0,GPU-1,GPU-2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    assert gpu_lock.lock_gpus(2, tmp_path / "locks") == ["GPU-0", "GPU-3"]
    assert "waiting for 2 of 4 GPUs" in caplog.text
    (tmp_path / "file").touch()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    assert gpu_lock.lock_gpus(1, tmp_path / "file") == []
    assert "no GPU is locked" in caplog.text
    for lock in gpu_lock._held:
        lock.release()
