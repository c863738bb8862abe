"""Time two functions alternately, so that a drift in the machine's speed affects both equally."""

import statistics
import time
from collections.abc import Callable


def compare(ours: Callable[[], object], baseline: Callable[[], object], runs: int) -> tuple[float, float]:
    """Return the median seconds of each over alternating runs."""
    times = [(_seconds(ours), _seconds(baseline)) for _ in range(runs)]
    ours_s, baseline_s = (statistics.median(column) for column in zip(*times, strict=True))
    return ours_s, baseline_s


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
