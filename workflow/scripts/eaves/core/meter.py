"""How far a job is: a bar on a terminal of its own; a line now and then where several jobs, or nobody, look on."""

import logging
import os
import sys
import threading
import time

from tqdm import tqdm

from eaves import IN_RUN

LOG = logging.getLogger("eaves")
LINE_EVERY_S = 30.0
_COUNTS = {False: "{n_fmt} of {total_fmt} {unit}", True: "{n_fmt}{unit} of {total_fmt}{unit}"}  # by `scaled`


class Meter:
    """Counts what is done, from any thread, and tells it with the rate and the time left.

    Example:
        >>> with Meter("predict", 4, "windows") as meter:
        ...     meter.add(3)
        ...     meter.line(elapsed_s=6)
        'predict: 75%, 3 of 4 windows, 2.00s/windows, 00:02 left'
    """

    def __init__(
        self, what: str, total: float, unit: str = "tiles", scaled: bool = False, files: int = 0, done: float = 0
    ) -> None:
        """Start to count.

        Args:
            what: What is done, a verb.
            total: How much there is to do.
            unit: What is counted.
            scaled: Whether counts are shortened with k, M and G, as those of bytes are.
            files: How many files there are, where they are counted beside.
            done: What was done before, e.g. by a process that this one goes on from.
        """
        self._what, self._total, self._unit, self._scaled = what, total, unit, scaled
        self._files, self._files_done, self._done, self._note = files, 0, done, ""
        self._before = done
        self._lock, self._begun = threading.Lock(), time.monotonic()
        self._told = self._begun
        alone_on_terminal = sys.stderr.isatty() and IN_RUN not in os.environ
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=what,
            unit=unit,
            unit_scale=scaled,
            disable=not alone_on_terminal,
            leave=False,
        )

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()

    def add(self, amount: float = 1, files: int = 0, note: str = "") -> None:
        """Count what was done since the last call.

        Args:
            amount: In the meter's unit; negative where something has to be done again.
            files: Files finished.
            note: What else to tell beside it.
        """
        with self._lock:
            self._done = round(self._done + amount, 3)
            self._files_done += files
            self._note = f"{self._files_done} of {self._files} files" if self._files else note
            self._bar.set_postfix_str(self._note, refresh=False)
            self._bar.update(amount)
            if self._bar.disable and time.monotonic() - self._told >= LINE_EVERY_S:
                self._told = time.monotonic()
                LOG.info("%s", self.line(self._told - self._begun))

    def line(self, elapsed_s: float) -> str:
        """Say in a line how far it is after so many seconds."""
        counts = _COUNTS[self._scaled]
        said = tqdm.format_meter(
            int(self._done) if float(self._done).is_integer() else self._done,
            self._total,
            elapsed_s,
            initial=self._before,
            prefix=self._what,
            unit=self._unit,
            unit_scale=self._scaled,
            postfix=self._note,
            bar_format=f"{{desc}}: {{percentage:.0f}}%, {counts}, {{rate_fmt}}, {{remaining}} left{{postfix}}",
        )
        return " ".join(said.split())
