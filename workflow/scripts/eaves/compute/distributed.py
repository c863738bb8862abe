"""Several processes that train one network together, each on a GPU of its own; one process is a team of one."""

import inspect
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import connection
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from eaves.core.cli import LOG
from eaves.core.errors import InputError
from eaves.core.signals import STOP_SIGNALS

GRACE_S = 10  # what hit one process has mostly hit this one too: it may say so and end by itself
FAREWELL_S = 1.0  # what the others are given to say what hit them


class Team:
    """This process's place among those that train together."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks for all."""
        return self.rank == 0

    def wrap_ddp(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network whose gradients are the mean over the team's (torch's DistributedDataParallel)."""
        if self.size == 1:
            return network
        ids = [device] if device.type == "cuda" else None
        # Batch norm's statistics are put together in `batch_norm`, not by broadcast, which torch before 2.13 has under
        # another name.
        known = inspect.signature(DistributedDataParallel).parameters
        options: dict[str, Any] = {
            "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False
        }
        return DistributedDataParallel(network, ids, gradient_as_bucket_view=True, **options)

    def no_sync(self, joined: nn.Module) -> AbstractContextManager:
        """The context in which gradients are added up here, before the last ones are exchanged."""
        return joined.no_sync() if isinstance(joined, DistributedDataParallel) else nullcontext()

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """The sum over the team, the same in every process."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def barrier(self) -> None:
        """Waits until all of the team are here."""
        if self.size > 1:
            dist.barrier()

    def all_reduce_min(self, value: int, device: torch.device) -> int:
        """The smallest of the team's values."""
        if self.size == 1:
            return value
        smallest = torch.tensor(value, device=device)
        dist.all_reduce(smallest, dist.ReduceOp.MIN)
        return int(smallest)


def launch(devices: Sequence[torch.device], function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function in one process per device: in this one, which leads, and in others started for it.

    A process that dies takes the whole team with it: none goes on alone, and none keeps a card.

    Args:
        devices: one each; with one, the function is simply called.
        function: takes (team, device, *arguments); importable, as are its arguments' types.
        arguments: what it is called with, in each process.

    Returns:
        What the function gave in this process.
    """
    if len(devices) == 1:
        return function(Team(), devices[0], *arguments)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    store = dist.TCPStore("127.0.0.1", 0, len(devices), is_master=True, wait_for_workers=False)
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(target=_member, args=(rank, devices, store.port, function, arguments), daemon=True)
        for rank in range(1, len(devices))
    ]
    for process in others:
        process.start()
    over = threading.Event()
    threading.Thread(target=_end_with_any, args=(others, over), daemon=True).start()
    try:
        _join(0, devices, store)
        try:
            result = function(Team(0, len(devices)), devices[0], *arguments)
        except SystemExit:  # all of the team stop together
            raise
        except BaseException:
            over.set()
            _end(others)  # NCCL would wait for them when the group is left
            raise
        finally:
            dist.destroy_process_group()
        for process in others:
            process.join()
        return result
    finally:
        over.set()
        for process in others:
            process.terminate()


def _member(
    rank: int, devices: Sequence[torch.device], port: int, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    """What each process does that was started for the team."""
    threading.Thread(target=_end_with_leader, daemon=True).start()
    store = dist.TCPStore("127.0.0.1", port, len(devices), is_master=False)
    _join(rank, devices, store)
    try:
        function(Team(rank, len(devices)), devices[rank], *arguments)
    except Exception as fault:
        if isinstance(fault, InputError):
            print(f"error: {fault}", file=sys.stderr)  # the leading process says it in the log, if it can
        else:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # without leaving the group, for which NCCL would wait for the others
    finally:
        dist.destroy_process_group()


def _join(rank: int, devices: Sequence[torch.device], store: dist.TCPStore) -> None:
    """Makes this process one of the group that exchanges tensors."""
    device = devices[rank]
    card = device if device.type == "cuda" else None
    if card:
        torch.cuda.set_device(card)
    dist.init_process_group("nccl" if card else "gloo", store=store, rank=rank, world_size=len(devices), device_id=card)


def _end(others: list[Any]) -> None:
    """Ends the other processes of a team, which may hang in an exchange that will never be complete."""
    for process in others:
        process.terminate()
    for process in others:
        process.join(FAREWELL_S)
        process.kill()
        process.join()


def _end_with_leader() -> None:
    """Ends this process at once when the leading one is gone, e.g. by SIGKILL."""
    leader = multiprocessing.parent_process()
    if leader is not None:
        connection.wait([leader.sentinel])
        os._exit(1)


def _end_with_any(others: list[Any], over: threading.Event) -> None:
    """Ends this process when another of the team has died; one that stopped when asked to has not."""
    waiting = {process.sentinel: process for process in others}
    while waiting:
        for sentinel in connection.wait(list(waiting)):
            process = waiting.pop(sentinel)
            process.join()  # the sentinel is there a moment before the status
            code = process.exitcode
            if code and code not in [128 + number for number in STOP_SIGNALS]:
                if over.wait(GRACE_S):
                    return
                LOG.error("error: one of %d training processes ended with status %s", len(others) + 1, code)
                signal.raise_signal(signal.SIGKILL)
