"""The frame of every script: arguments, log, progress, the job's record, and one line for each error."""

import argparse
import atexit
import inspect
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from eaves import IN_RUN
from eaves.core import records
from eaves.core.errors import InputError
from eaves.core.files import explain_write_errors
from eaves.core.meter import Meter
from eaves.core.records import Done
from eaves.core.write_errors import find_os_error

LOG = logging.getLogger("eaves")
T = TypeVar("T")
INTERRUPTED = 130  # the exit status of a process that was ended by Ctrl-C


def parser(doc: str) -> argparse.ArgumentParser:
    """Return an argument parser with the script's docstring as its help text and the option `--log`."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--log", type=Path, help="also write the messages to this file")
    return made


def job_parser(doc: str) -> argparse.ArgumentParser:
    """Return the argument parser of a script whose `main` returns `Done`: `parser`, with `--record` and `--code`."""
    made = parser(doc)
    made.add_argument("--record", type=Path, help="write what was read, written and used to this file, .json")
    made.add_argument("--code", help="code hash of this script for the record (default: computed)")
    return made


class _LogFile(logging.FileHandler):
    """A job's log file. After a write error it is closed; stderr still gets every message."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Stop writing to the file after an error of the operating system."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)
            return
        LOG.removeHandler(self)
        with suppress(OSError):
            self.close()


def run(
    main: Callable[[argparse.Namespace], Done | None],
    arguments: argparse.Namespace,
    fault: int = 1,
    crash: int = 1,
    stopped: str = "stopped",
) -> None:
    """Run a script's `main`, with messages on stderr and in the log, and write the job's record.

    The jobs of a run share a terminal, so there each message on stderr begins with the job's name.

    Args:
        main: the function to run; what it returns goes into the record.
        arguments: the parsed arguments; without `record`, none is written.
        fault: exit status after an error in the input, which is reported in one line.
        crash: exit status after an error in Eaves itself, which is reported with a traceback.
        stopped: message after a Ctrl-C.
    """
    LOG.handlers = [logging.StreamHandler(sys.stderr)]
    name = job_name(arguments.log) if arguments.log and IN_RUN in os.environ else ""
    LOG.handlers[0].setFormatter(_Named(name))
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # While Python and its packages shut down, a Ctrl-C must not print a traceback.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)
    try:
        if arguments.log:
            with explain_write_errors(arguments.log):
                arguments.log.parent.mkdir(parents=True, exist_ok=True)
                LOG.addHandler(_LogFile(arguments.log, mode="w"))
        done = main(arguments)
        if done and getattr(arguments, "record", None):
            script = Path(inspect.getfile(main))
            records.write(arguments.record, script, arguments.code, getattr(arguments, "settings", None), done)
    except InputError as error:
        for line in str(error).splitlines():
            LOG.error("error: %s", line)
        sys.exit(fault)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        LOG.warning("%s", stopped)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if found := find_os_error(error):  # a write error outside the results, e.g. in numba's cache of compiled code
            what = found.filename or "a file"
            LOG.error("error: %s cannot be written: %s; correct this and run again", what, found.strerror)
            sys.exit(1)
        LOG.exception("error: this is a fault in Eaves, not in the input; please report it with these lines")
        sys.exit(crash)


def job_name(log: Path) -> str:
    """Name a job after its log.

    Example:
        >>> job_name(Path("results/logs/train/fold-0.log")), job_name(Path("results/logs/score.log"))
        ('train fold-0', 'score')
    """
    parts = log.with_suffix("").parts
    return " ".join(parts[parts.index("logs") + 1 :] if "logs" in parts else parts[-1:])


class _Named(logging.Formatter):
    """Formatter that puts the job's name before each message, except errors, which name a file instead."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def format(self, record: logging.LogRecord) -> str:
        said = super().format(record)
        if not self._name or record.levelno >= logging.ERROR:
            return said
        # A progress line begins with the step's verb, which is usually part of the job's name.
        return f"{self._name}: {said.removeprefix(f'{self._name.split()[0]}: ')}"


def progress(items: Collection[T], what: str, unit: str = "tiles") -> Iterator[T]:
    """Yield items and report the progress, as `Meter` does.

    Args:
        items: the items.
        what: the action, a verb.
        unit: name of the items, in the plural.
    """
    with Meter(what, len(items), unit) as meter:
        for item in items:
            yield item
            meter.add()
