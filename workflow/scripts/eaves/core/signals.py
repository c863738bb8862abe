"""Signals that ask a process to end: it goes on to a point where nothing is lost."""

import os
import signal
import threading
from types import FrameType

# SIGINT: Ctrl-C. SIGTERM: a cluster cancels a job, a machine shuts down. SIGUSR1, SIGUSR2: a cluster's warning before
# the time limit.
ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class StopRequest:
    """Note the signals above while it is in force, instead of ending the process; a second Ctrl-C ends it at once.

    Example:
        >>> with StopRequest() as stop:
        ...     stop.received is None
        True
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python gives signals to no other
            self._before = {number: signal.signal(number, self._note) for number in ASKING}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        if self._before and self.received == signal.SIGINT:  # the process ends, and another Ctrl-C has nothing to say
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT == self.received:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        self.received = signal.Signals(number)
