"""The next steps' crops are cut while the device computes; how many threads do so changes no bit."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from eaves.training.sampler import Batch, Sampler

AHEAD = 2  # steps that are ready or in work, beside the one being computed


def steps(
    sampler: Sampler, epoch: int, first: int, rank: int = 0, size: int = 1, threads: int = 1, pinned: bool = False
) -> Iterator[tuple[int, list[Batch]]]:
    """Yields an epoch's steps from `first` on, each with its micro-batches.

    Args:
        sampler: what the crops come from.
        epoch: its number, from 0.
        first: the step to begin with, from 0.
        rank: which of `size` processes this is; each gets its share of the micro-batches.
        size: how many processes train together.
        threads: how many cut crops.
        pinned: whether crops are put where a GPU fetches from by itself.
    """

    def cut(step: int) -> list[Batch]:
        batches = sampler.draw(epoch, step, rank, size)
        return [batch.pinned() for batch in batches] if pinned else batches

    with ThreadPoolExecutor(threads) as pool:
        last = sampler.steps_per_epoch
        coming = deque(pool.submit(cut, step) for step in range(first, min(last, first + AHEAD)))
        for step in range(first, last):
            batches = coming.popleft().result()
            if step + AHEAD < last:
                coming.append(pool.submit(cut, step + AHEAD))
            yield step, batches
