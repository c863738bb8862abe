"""Concise error messages and orderly interrupts for the main Snakemake process.

A failed job says in one line on stderr what is wrong. Snakemake adds the job's command, with all settings, and a
traceback of its own; these go to Snakemake's log file only, and the terminal shows the path of the job's log instead.
"""

import logging
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from snakemake_interface_logger_plugins.common import LogEvent

from eaves.core.cli import INTERRUPTED

_REDUNDANT = ("At least one job did not complete successfully.",)
_JOB_FAILED = "CalledProcessError"
_INTERRUPT_RECEIVED = "Terminating processes on user request"
REPEAT_S = 0.5


class Interrupts:
    """Handler of Ctrl-C: the first one ends a run in an orderly way; a second one, or one before any job, kills it.

    A terminal sends Ctrl-C to every process of a run. Jobs end on their own, training after saving a checkpoint, and
    Snakemake waits for them.

    How it works: Snakemake ends a run on a KeyboardInterrupt, but swallows one that arrives while it writes a message.
    Therefore the interrupt is raised repeatedly until Snakemake logs that it has received it.
    """

    def __init__(self) -> None:
        self.running = False  # whether jobs may be running; set by the hook `onstart`
        self.stopped = False
        self.heard = False
        self._repeated = False

    def install(self) -> None:
        """Replace Python's handler of SIGINT, if this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._repeated:
            self._repeated = False
            raise KeyboardInterrupt
        if self.stopped or not self.running:
            for process in psutil.Process().children(recursive=True):
                process.kill()
            os.write(sys.stderr.fileno(), b"stopped\n")
            os._exit(INTERRUPTED)
        self.stopped = True
        message = "stopping: jobs end, and training saves a checkpoint; press Ctrl-C again to kill everything\n"
        os.write(sys.stderr.fileno(), message.encode())
        warnings.simplefilter("ignore")  # asyncio's, about tasks that Snakemake had not finished
        threading.Thread(target=self._repeat, daemon=True).start()
        raise KeyboardInterrupt

    def _repeat(self) -> None:
        while not self.heard:
            time.sleep(REPEAT_S)
            if not self.heard:
                self._repeated = True
                os.kill(os.getpid(), signal.SIGINT)


class ConciseFormatter(logging.Formatter):
    """Formatter that reports a failed job in one line with its log, and leaves other messages to Snakemake's."""

    def __init__(self, original: logging.Formatter) -> None:
        super().__init__()
        self._original = original

    def format(self, record: logging.LogRecord) -> str:
        """Format a message."""
        if _event(record) != LogEvent.JOB_ERROR:
            return self._original.format(record)
        logs = [path for path in getattr(record, "log", ()) if Path(path).exists()]
        where = f"its log: {', '.join(logs)}" if logs else "it wrote no log"
        return f"error: the job {getattr(record, 'rule_name', '?')} failed; {where}"


class ConciseFilter(logging.Filter):
    """Filter that reports each failed job once, drops failures caused by Ctrl-C, and otherwise applies Snakemake's."""

    def __init__(self, original: list[Any], interrupts: Interrupts) -> None:
        super().__init__()
        self._original = original
        self._interrupts = interrupts

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to show a message."""
        message = record.getMessage() if isinstance(record.msg, str) else ""
        if message.startswith(_INTERRUPT_RECEIVED):
            self._interrupts.heard = True
            return False
        failed = _event(record) == LogEvent.JOB_ERROR
        if self._interrupts.stopped and record.levelno >= logging.ERROR:
            return False
        if _event(record) == LogEvent.ERROR and (_JOB_FAILED in message or any(line in message for line in _REDUNDANT)):
            return False
        return failed or all(part.filter(record) for part in self._original)


def install(logger: logging.Logger) -> Interrupts:
    """Install the formatter, the filter and the handler of Ctrl-C.

    Args:
        logger: Snakemake's logger, with its handlers.

    Returns:
        The handler of Ctrl-C; its `running` must be set when the run starts.
    """
    interrupts = Interrupts()
    interrupts.install()
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.filters = [ConciseFilter(list(handler.filters), interrupts)]
            handler.setFormatter(ConciseFormatter(handler.formatter or logging.Formatter()))
    return interrupts


def _event(record: logging.LogRecord) -> LogEvent | None:
    return getattr(record, "event", None)
