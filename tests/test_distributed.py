"""Two processes that train one network end where one process does with the same batch, up to rounding."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
import torch
from test_training import network, resume, run_of

from eaves.compute import devices, distributed
from eaves.core.errors import InputError
from eaves.models.files import read_model, save_model
from eaves.training import loop
from eaves.training.job import Phase

CPU = torch.device("cpu")
PHASES = [Phase("main", 2, 1e-2, 1.0, 1.0), Phase("final", 1, 1e-3, 1.5, 0.5)]


def member(group, device, folder, changes):
    """What each process does: train for three epochs of three steps; the leading one writes the model."""
    devices.make_deterministic(1, threads=1)
    learning = network()
    run = run_of(folder, PHASES, micro_batch=1, gradient_accumulation=4, **changes)
    history = resume(learning, run, device, group)
    if group.is_main:
        save_model(folder / "model.safetensors", learning, {"history": history})


def lone(folder, changes):
    """The same in a process of its own, so that a signal or a fault ends that one."""
    distributed.launch([CPU, CPU], member, folder, changes)


def trained(folder, processes, changes):
    distributed.launch([CPU] * processes, member, folder, changes)
    return read_model(folder / "model.safetensors")


def assert_close(one, other):
    assert one[0].keys() == other[0].keys()
    for name, value in one[0].items():
        if "num_batches" not in name:
            torch.testing.assert_close(
                value, other[0][name], atol=2e-4, rtol=1e-3, msg=lambda said, name=name: f"{name}: {said}"
            )
    for row, same in zip(one[1]["history"], other[1]["history"], strict=True):
        figures = [name for name, value in row.items() if isinstance(value, float)]
        assert [row[name] for name in figures] == pytest.approx([same[name] for name in figures], rel=1e-3)


@pytest.mark.parametrize("batch_norm", ["all", pytest.param("first", marks=pytest.mark.slow)])
def test_two_processes_train_as_one(tmp_path, batch_norm):
    changes = {"optimize": {"batch_norm": batch_norm}}
    alone = trained(tmp_path / "alone", 1, changes)
    together = trained(tmp_path / "together", 2, changes)
    assert_close(together, alone)
    assert any(not torch.equal(value, together[0][name]) for name, value in network().state_dict().items())


@pytest.mark.slow
def test_batch_norm_synchronised_is_that_of_the_batch_of_all(tmp_path):
    """Two processes with one crop each, against one process with two crops at a time."""
    pairs = {"micro_batch": 2, "gradient_accumulation": 2}
    devices.make_deterministic(1, threads=1)
    alone = network()
    run = run_of(tmp_path / "alone", PHASES, **pairs)
    history = loop.train(alone, run, CPU)
    together = trained(tmp_path / "together", 2, {"optimize": {"batch_norm": "sync"}})
    assert_close(together, (alone.state_dict(), {"history": history}))


def test_a_step_is_shared_out_whole_and_once():
    run = run_of(Path(), micro_batch=1, gradient_accumulation=4)
    whole = [batch.images for batch in run.sampler.draw(0, 1)]
    shares = [[batch.images for batch in run.sampler.draw(0, 1, rank, 2)] for rank in (0, 1)]
    assert [len(share) for share in shares] == [2, 2]
    for number, images in enumerate(whole):
        assert torch.equal(images, shares[number % 2][number // 2])


def start(folder, changes):
    process = multiprocessing.get_context("fork").Process(target=lone, args=(folder, changes))
    process.start()
    return process


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def children(pid):
    return [child.pid for child in psutil.Process(pid).children() if b"spawn_main" in _command(child.pid)]


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


@pytest.mark.slow
def test_a_team_ends_together_and_goes_on_where_it_was(tmp_path):
    """Ended three times: the leading process killed, the other one killed, and both asked to stop."""
    often = {"minutes": 0, "crops_per_tile": 60}
    whole = trained(tmp_path / "whole", 2, often)
    folder = tmp_path / "stopped"
    checkpoint = folder / "train-0.pt"
    for end in ("leader", "other", "asked"):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = start(folder, often)
        wait_for(lambda before=before: checkpoint.exists() and checkpoint.stat().st_mtime_ns > before)
        others = children(process.pid)
        assert len(others) == 1
        if end == "asked":
            process.terminate()
        else:
            os.kill(process.pid if end == "leader" else others[0], signal.SIGKILL)
        process.join(60)
        assert process.exitcode == 143 if end == "asked" else process.exitcode != 0
        wait_for(lambda others=others: not _command(others[0]))
        assert not (folder / "model.safetensors").exists()
    resumed = trained(folder, 2, often)
    assert all(torch.equal(value, resumed[0][name]) for name, value in whole[0].items())


def broken(group, device):
    raise InputError("tiles/A_1: no such tile")


def test_a_fault_of_the_input_is_the_leaders_error():
    with pytest.raises(InputError, match="no such tile"):
        distributed.launch([CPU, CPU], broken)


def alone_at_fault(group, device):
    """The leading process fails; the other one waits for it."""
    if group.is_main:
        raise InputError("the leader's own fault")
    group.barrier()
    time.sleep(600)


def test_the_leader_leaves_the_group_once_the_others_have_ended(monkeypatch):
    """Leaving it earlier, NCCL may wait for them for ever."""
    left, leave = [], torch.distributed.destroy_process_group
    monkeypatch.setattr(
        torch.distributed,
        "destroy_process_group",
        lambda: (left.append(multiprocessing.active_children()), leave()),
    )
    with pytest.raises(InputError, match="the leader's own fault"):
        distributed.launch([CPU, CPU], alone_at_fault)
    assert left == [[]]


def waiting_for_all(group, device):
    """Not the leading process fails, where leaving the group waits for all, as it may with NCCL."""
    torch.distributed.destroy_process_group = lambda: time.sleep(600)
    if not group.is_main:
        raise InputError("the other's fault")
    time.sleep(600)


def lone_fault():
    distributed.launch([CPU, CPU], waiting_for_all)


def test_a_process_that_fails_ends_the_team_without_leaving_the_group(capfd, monkeypatch):
    monkeypatch.setattr(distributed, "GRACE_S", 0.1)
    process = multiprocessing.get_context("fork").Process(target=lone_fault)
    process.start()
    process.join(60)
    ended = not process.is_alive()
    process.kill()
    assert ended
    assert "error: the other's fault" in capfd.readouterr().err


class Older(torch.nn.Module):
    """DistributedDataParallel as torch before 2.13 has it."""

    def __init__(self, module, device_ids=None, broadcast_buffers=True, gradient_as_bucket_view=False):
        super().__init__()
        self.broadcast_buffers = broadcast_buffers


def test_batch_norms_statistics_are_not_broadcast_whatever_torch_calls_it(monkeypatch):
    monkeypatch.setattr(distributed, "DistributedDataParallel", Older)
    assert distributed.ProcessGroup(0, 2).wrap_ddp(network(), CPU).broadcast_buffers is False


def test_one_device_starts_no_process():
    assert distributed.launch(
        [CPU], lambda alone, device, value: (alone.world_size, alone.is_main, device, value), 7
    ) == (
        1,
        True,
        CPU,
        7,
    )
