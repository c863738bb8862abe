"""Graceful shutdown: let a process run on after a signal until it can stop without losing work."""

import os
import signal
import threading
from types import FrameType

# SIGINT: Ctrl-C. SIGTERM: a cluster cancels a job, or a machine shuts down. SIGUSR1, SIGUSR2: a cluster's warning
# before the time limit.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class StopRequest:
    """Context manager that records stop signals instead of ending the process; a second Ctrl-C ends it at once.

    Attributes:
        received: The signal, or None.

    Example:
        >>> with StopRequest() as stop:
        ...     stop.received is None
        True
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # only the main thread can handle signals
            self._previous = {number: signal.signal(number, self._record) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        if (
            self._previous and self.received == signal.SIGINT
        ):  # while the process ends, another Ctrl-C must not print a traceback
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    def _record(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT == self.received:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        self.received = signal.Signals(number)
