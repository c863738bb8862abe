"""How far a transfer is: a bar on a terminal, a line now and then elsewhere."""

import sys
import threading
import time

from tqdm import tqdm

from eaves.console import LOG

LINE_EVERY_S = 30.0


class Meter:
    """Counts files and bytes from any thread; tells them with the rate and the time left."""

    def __init__(self, what: str, files: int, size: int) -> None:
        """Starts at nothing.

        Args:
            what: is done, a verb.
            files: how many there are.
            size: of them all, in bytes.
        """
        self._what, self._files, self._size = what, files, size
        self._lock, self._begun = threading.Lock(), time.monotonic()
        self._told, self._done, self._bytes = self._begun, 0, 0
        on_terminal = sys.stderr.isatty()
        self._bar = tqdm(total=size, desc=what, unit="B", unit_scale=True, disable=not on_terminal, leave=False)

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def add(self, size: int, files: int = 0) -> None:
        """Counts bytes and finished files."""
        with self._lock:
            self._bytes += size
            self._done += files
            self._bar.set_postfix_str(f"{self._done} of {self._files} files", refresh=False)
            self._bar.update(size)
            if self._bar.disable and time.monotonic() - self._told >= LINE_EVERY_S:
                self._told = time.monotonic()
                LOG.info("%s", self.line(self._told - self._begun))

    def line(self, elapsed_s: float) -> str:
        """Says in a line how far it is after so many seconds."""
        return tqdm.format_meter(
            self._bytes,
            self._size,
            elapsed_s,
            prefix=self._what,
            unit="B",
            unit_scale=True,
            postfix=f"{self._done} of {self._files} files",
            bar_format="{desc}: {percentage:.0f}%, {n_fmt}B of {total_fmt}B, {rate_fmt}, {remaining} left{postfix}",
        )
