"""Prefetch training batches in threads; results don't depend on the number of threads."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from eaves.training.sampler import Batch, Sampler

PREFETCHED_STEPS = 2  # ready or being cut, in addition to the step that is being computed


def steps(
    sampler: Sampler,
    epoch: int,
    first: int,
    rank: int = 0,
    world_size: int = 1,
    threads: int = 1,
    pin_memory: bool = False,
) -> Iterator[tuple[int, list[Batch]]]:
    """Yield the steps of an epoch, each as its number and this process's micro-batches.

    Args:
        sampler: draws the batches.
        epoch: number of the epoch, from 0.
        first: the step to start from, from 0.
        rank: number of this process; the micro-batches of a step are shared among all processes.
        world_size: number of processes.
        threads: number of threads that cut crops.
        pin_memory: whether to copy batches into pinned memory, for asynchronous transfer to a GPU.
    """

    def load(step: int) -> list[Batch]:
        batches = sampler.draw(epoch, step, rank, world_size)
        return [batch.pin_memory() for batch in batches] if pin_memory else batches

    with ThreadPoolExecutor(threads) as pool:
        last = sampler.steps_per_epoch
        pending = deque(pool.submit(load, step) for step in range(first, min(last, first + PREFETCHED_STEPS)))
        for step in range(first, last):
            batches = pending.popleft().result()
            if step + PREFETCHED_STEPS < last:
                pending.append(pool.submit(load, step + PREFETCHED_STEPS))
            yield step, batches
