"""Two functions timed in turn, so that a drifting machine treats both alike."""

import statistics
import time
from collections.abc import Callable


def compare(ours: Callable[[], object], usual: Callable[[], object], runs: int) -> tuple[float, float]:
    """Give the median seconds of each over alternating runs."""
    times = [(_seconds(ours), _seconds(usual)) for _ in range(runs)]
    ours_s, usual_s = (statistics.median(column) for column in zip(*times, strict=True))
    return ours_s, usual_s


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
