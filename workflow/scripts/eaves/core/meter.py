"""Progress of a job: a bar on its own terminal, or a line at intervals if the terminal is shared or absent."""

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
    """Thread-safe progress counter that shows the rate and the remaining time.

    Example:
        >>> with Meter("predict", 4, "windows") as meter:
        ...     meter.add(3)
        ...     meter.line(elapsed_s=6)
        'predict: 75%, 3 of 4 windows, 2.00s/windows, 00:02 left'
    """

    def __init__(
        self, what: str, total: float, unit: str = "tiles", scaled: bool = False, files: int = 0, done: float = 0
    ) -> None:
        """Start the counter.

        Args:
            what: The action, a verb.
            total: Total amount.
            unit: What is counted.
            scaled: Whether to shorten counts with k, M and G, as for bytes.
            files: Total number of files, if they are to be counted, too.
            done: Amount done earlier, e.g. by a process that this one resumes.
        """
        self._what, self._total, self._unit, self._scaled = what, total, unit, scaled
        self._files, self._files_done, self._done, self._note = files, 0, done, ""
        self._initial = done
        self._lock, self._started = threading.Lock(), time.monotonic()
        self._last_line = self._started
        owns_terminal = sys.stderr.isatty() and IN_RUN not in os.environ
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=what,
            unit=unit,
            unit_scale=scaled,
            disable=not owns_terminal,
            leave=False,
        )

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()

    def add(self, amount: float = 1, files: int = 0, note: str = "") -> None:
        """Add to the amount done.

        Args:
            amount: Amount in the meter's unit; negative if something has to be repeated.
            files: Number of files finished.
            note: Text to show with the progress.
        """
        with self._lock:
            self._done = round(self._done + amount, 3)
            self._files_done += files
            self._note = f"{self._files_done} of {self._files} files" if self._files else note
            self._bar.set_postfix_str(self._note, refresh=False)
            self._bar.update(amount)
            if self._bar.disable and time.monotonic() - self._last_line >= LINE_EVERY_S:
                self._last_line = time.monotonic()
                LOG.info("%s", self.line(self._last_line - self._started))

    def line(self, elapsed_s: float) -> str:
        """Format the progress after some seconds as a line of text."""
        counts = _COUNTS[self._scaled]
        text = tqdm.format_meter(
            int(self._done) if float(self._done).is_integer() else self._done,
            self._total,
            elapsed_s,
            initial=self._initial,
            prefix=self._what,
            unit=self._unit,
            unit_scale=self._scaled,
            postfix=self._note,
            bar_format=f"{{desc}}: {{percentage:.0f}}%, {counts}, {{rate_fmt}}, {{remaining}} left{{postfix}}",
        )
        return " ".join(text.split())
