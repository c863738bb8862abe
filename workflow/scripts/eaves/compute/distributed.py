"""Data-parallel training in several processes, one per GPU."""

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

# Whatever ended a worker has probably hit the main process, too; it gets this long to report its own error and exit.
GRACE_S = 10
EXIT_TIMEOUT_S = 1.0  # a worker that was asked to terminate gets this long to report its own error


class ProcessGroup:
    """The processes that train one network together, as seen by one of them; a single process by default.

    Attributes:
        rank: number of this process, from 0.
        world_size: number of processes.
    """

    def __init__(self, rank: int = 0, world_size: int = 1) -> None:
        self.rank = rank
        self.world_size = world_size

    @property
    def is_main(self) -> bool:
        """Whether this is the main process, the only one that writes files and logs."""
        return self.rank == 0

    def wrap_ddp(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Wrap a network in DistributedDataParallel, which averages its gradients over all processes."""
        if self.world_size == 1:
            return network
        ids = [device] if device.type == "cuda" else None
        # Running statistics are combined in `batch_norm`, so torch must not broadcast buffers. The option was renamed
        # in torch 2.13.
        known = inspect.signature(DistributedDataParallel).parameters
        options: dict[str, Any] = {
            "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False
        }
        return DistributedDataParallel(network, ids, gradient_as_bucket_view=True, **options)

    def no_sync(self, network: nn.Module) -> AbstractContextManager[Any]:
        """Return a context in which gradients accumulate locally; the next backward pass outside it exchanges them."""
        return network.no_sync() if isinstance(network, DistributedDataParallel) else nullcontext()

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place, and return it; every process gets the same result."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def barrier(self) -> None:
        """Wait until all processes have reached this point."""
        if self.world_size > 1:
            dist.barrier()

    def all_reduce_min(self, value: int, device: torch.device) -> int:
        """Return the minimum of a value over all processes."""
        if self.world_size == 1:
            return value
        minimum = torch.tensor(value, device=device)
        dist.all_reduce(minimum, dist.ReduceOp.MIN)
        return int(minimum)


def launch(devices: Sequence[torch.device], function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in one process per device: in this one, the main process, and in workers started for it.

    When one of the processes dies, all of them end, so that none continues alone or keeps a GPU locked.

    Args:
        devices: one per process; with a single device, the function is simply called.
        function: called as function(group, device, *arguments); it and its arguments must be picklable.
        arguments: passed to the function in each process.

    Returns:
        What the function returned in this process.
    """
    if len(devices) == 1:
        return function(ProcessGroup(), devices[0], *arguments)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    store = dist.TCPStore("127.0.0.1", 0, len(devices), is_master=True, wait_for_workers=False)
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_run_worker, args=(rank, devices, store.port, function, arguments), daemon=True)
        for rank in range(1, len(devices))
    ]
    for process in workers:
        process.start()
    finished = threading.Event()
    threading.Thread(target=_exit_when_worker_dies, args=(workers, finished), daemon=True).start()
    try:
        _init_process_group(0, devices, store)
        try:
            result = function(ProcessGroup(0, len(devices)), devices[0], *arguments)
        except SystemExit:  # on a stop signal, all processes exit by themselves
            raise
        except BaseException:
            finished.set()
            _terminate(workers)  # otherwise NCCL would wait for them in destroy_process_group
            raise
        finally:
            dist.destroy_process_group()
        for process in workers:
            process.join()
        return result
    finally:
        finished.set()
        for process in workers:
            process.terminate()


def _run_worker(
    rank: int, devices: Sequence[torch.device], port: int, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    """Join the process group and call the function; the entry point of a worker process."""
    threading.Thread(target=_exit_when_main_process_dies, daemon=True).start()
    store = dist.TCPStore("127.0.0.1", port, len(devices), is_master=False)
    _init_process_group(rank, devices, store)
    try:
        function(ProcessGroup(rank, len(devices)), devices[rank], *arguments)
    except Exception as error:
        if isinstance(error, InputError):
            print(f"error: {error}", file=sys.stderr)  # the main process usually meets the same error and logs it
        else:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # skip destroy_process_group, in which NCCL would wait for the other processes
    finally:
        dist.destroy_process_group()


def _init_process_group(rank: int, devices: Sequence[torch.device], store: dist.TCPStore) -> None:
    """Join the process group, over NCCL on GPUs and Gloo on the CPU."""
    device = devices[rank]
    gpu = device if device.type == "cuda" else None
    if gpu:
        torch.cuda.set_device(gpu)
    dist.init_process_group("nccl" if gpu else "gloo", store=store, rank=rank, world_size=len(devices), device_id=gpu)


def _terminate(workers: list[Any]) -> None:
    """End the workers, which may hang in a collective operation that can never complete."""
    for process in workers:
        process.terminate()
    for process in workers:
        process.join(EXIT_TIMEOUT_S)
        process.kill()
        process.join()


def _exit_when_main_process_dies() -> None:
    """Exit at once when the main process has died, e.g. from SIGKILL; runs in a thread of each worker."""
    main_process = multiprocessing.parent_process()
    if main_process is not None:
        connection.wait([main_process.sentinel])
        os._exit(1)


def _exit_when_worker_dies(workers: list[Any], finished: threading.Event) -> None:
    """Kill this process when a worker has died, unless on a stop signal; runs in a thread of the main process."""
    running = {process.sentinel: process for process in workers}
    while running:
        for sentinel in connection.wait(list(running)):
            process = running.pop(sentinel)
            process.join()  # the sentinel is ready slightly before the exit code
            code = process.exitcode
            if code and code not in [128 + number for number in STOP_SIGNALS]:
                if finished.wait(GRACE_S):
                    return
                LOG.error("error: one of %d training processes ended with status %s", len(workers) + 1, code)
                signal.raise_signal(signal.SIGKILL)
