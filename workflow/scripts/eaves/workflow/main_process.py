"""The process that Snakemake runs a workflow in: what it says of a failed job, and what Ctrl-C does.

A job says in one line on stderr what is wrong. Snakemake adds its command, with all settings, and a traceback of its
own; they go to Snakemake's log file alone, and what follows the job's line on the terminal is where the job's log is.
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

_SAID_ALREADY = ("At least one job did not complete successfully.",)
_JOB_FAILED = "CalledProcessError"
_HEARD = "Terminating processes on user request"
REPEAT_S = 0.5


class Interrupts:
    """Lets a first Ctrl-C end a run in good order, and a second one end it at once.

    A terminal sends Ctrl-C to every process of a run. Jobs end by themselves, training after saving a checkpoint, and
    Snakemake waits for them.

    How it works: Snakemake ends a run on a KeyboardInterrupt, but swallows one that comes while it writes a message. So
    the interrupt is raised again until Snakemake says that it has heard.
    """

    def __init__(self) -> None:
        self.running = False  # jobs may be running, which is so from the hook `onstart` on
        self.stopped = False
        self.heard = False
        self._repeated = False

    def install(self) -> None:
        """Take the place of Python's own handler, where this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._repeated:
            self._repeated = False
            raise KeyboardInterrupt
        if self.stopped or not self.running:
            for process in psutil.Process().children(recursive=True):
                process.kill()
            os.write(sys.stderr.fileno(), b"stopped\n")
            os._exit(INTERRUPTED)
        self.stopped = True
        said = "stopping: jobs end, and training saves what it has; Ctrl-C again ends everything at once\n"
        os.write(sys.stderr.fileno(), said.encode())
        warnings.simplefilter("ignore")  # asyncio's, of what Snakemake was in the middle of
        threading.Thread(target=self._insist, daemon=True).start()
        raise KeyboardInterrupt

    def _insist(self) -> None:
        while not self.heard:
            time.sleep(REPEAT_S)
            if not self.heard:
                self._repeated = True
                os.kill(os.getpid(), signal.SIGINT)


class OneLine(logging.Formatter):
    """Formats Snakemake's messages as before, and a failed job's as one line with its log."""

    def __init__(self, before: logging.Formatter) -> None:
        super().__init__()
        self._before = before

    def format(self, record: logging.LogRecord) -> str:
        """Give the text of a message."""
        if _event(record) != LogEvent.JOB_ERROR:
            return self._before.format(record)
        logs = [path for path in getattr(record, "log", ()) if Path(path).exists()]
        where = f"its log: {', '.join(logs)}" if logs else "it has left no log"
        return f"error: the job {getattr(record, 'rule_name', '?')} failed; {where}"


class Relevant(logging.Filter):
    """Lets through what Snakemake would say, each failed job once, and no failures that a Ctrl-C has caused."""

    def __init__(self, before: list[Any], interrupts: Interrupts) -> None:
        super().__init__()
        self._before = before
        self._interrupts = interrupts

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a message is shown."""
        said = record.getMessage() if isinstance(record.msg, str) else ""
        if said.startswith(_HEARD):
            self._interrupts.heard = True
            return False
        failed = _event(record) == LogEvent.JOB_ERROR
        if self._interrupts.stopped and record.levelno >= logging.ERROR:
            return False
        if _event(record) == LogEvent.ERROR and (_JOB_FAILED in said or any(line in said for line in _SAID_ALREADY)):
            return False
        return failed or all(part.filter(record) for part in self._before)


def install(logger: logging.Logger) -> Interrupts:
    """Change what the terminal is told, and what Ctrl-C does.

    Args:
        logger: Snakemake's, with its handlers.

    Returns:
        What knows whether the run was stopped, and is to be told when it starts.
    """
    interrupts = Interrupts()
    interrupts.install()
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.filters = [Relevant(list(handler.filters), interrupts)]
            handler.setFormatter(OneLine(handler.formatter or logging.Formatter()))
    return interrupts


def _event(record: logging.LogRecord) -> LogEvent | None:
    return getattr(record, "event", None)
