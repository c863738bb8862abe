"""What every script does alike: arguments, a log, progress, and one clear line where the input is at fault."""

import argparse
import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from eaves import IN_RUN
from eaves.core import environment
from eaves.core.errors import InputError
from eaves.core.files import explain_write_errors
from eaves.core.meter import Meter
from eaves.core.write_errors import find_os_error

LOG = logging.getLogger("eaves")
T = TypeVar("T")
INTERRUPTED = 130  # the exit status of a process that a Ctrl-C has ended


def parser(doc: str) -> argparse.ArgumentParser:
    """Start a script's arguments: its docstring as the help text, and `--log`."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--log", type=Path, help="also write the messages to this file")
    return made


class _LogFile(logging.FileHandler):
    """A job's log. Once it cannot be written it is left as it is, and stderr alone is told the rest."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging calls it so
        """Give the log up where the disk is at fault."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)
            return
        LOG.removeHandler(self)
        with suppress(OSError):
            self.close()
        with suppress(OSError):  # half a line would hide what `made_with` may yet add
            os.truncate(self.baseFilename, Path(self.baseFilename).read_bytes().rfind(b"\n") + 1)


def run(
    main: Callable[[argparse.Namespace], dict[str, Any] | None],
    arguments: argparse.Namespace,
    fault: int = 1,
    crash: int = 1,
    stopped: str = "stopped",
) -> None:
    """Run a script's main: messages to stderr and the log, which ends with the versions of the packages used.

    In a run, whose jobs share a terminal, each message on stderr begins with the job's name.

    Args:
        main: what to run; what it returns, the device it computed on if any, is noted in the log too.
        arguments: as parsed.
        fault: the exit status where the input is at fault, which is told in one line.
        crash: the exit status where Eaves itself is at fault, which is told with a traceback.
        stopped: what is said after a Ctrl-C.
    """
    LOG.handlers = [logging.StreamHandler(sys.stderr)]
    name = job_name(arguments.log) if arguments.log and IN_RUN in os.environ else ""
    LOG.handlers[0].setFormatter(_Named(name))
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # While Python and its packages end, a Ctrl-C has nothing to say any more.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)
    try:
        if arguments.log:
            with explain_write_errors(arguments.log):
                arguments.log.parent.mkdir(parents=True, exist_ok=True)
                LOG.addHandler(_LogFile(arguments.log, mode="w"))
        computed_on = main(arguments)
        if arguments.log:
            with explain_write_errors(arguments.log):
                environment.note(arguments.log, computed_on)
    except InputError as error:
        for line in str(error).splitlines():
            LOG.error("error: %s", line)
        sys.exit(fault)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        LOG.warning("%s", stopped)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if found := find_os_error(error):  # not one of a result's, but e.g. of compiled code that is kept
            what = found.filename or "a file"
            LOG.error("error: %s cannot be written: %s; mend that and run again", what, found.strerror)
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
    """Puts the job's name in front of each message; an error's line stays as it is, for it names file and fault."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def format(self, record: logging.LogRecord) -> str:
        said = super().format(record)
        if not self._name or record.levelno >= logging.ERROR:
            return said
        # A meter's line begins with what is done, which mostly is what the job is called.
        return f"{self._name}: {said.removeprefix(f'{self._name.split()[0]}: ')}"


def progress(items: Collection[T], what: str, unit: str = "tiles") -> Iterator[T]:
    """Go through items and tell how far it is, as `Meter` does.

    Args:
        items: what to go through.
        what: what is done with them, a verb.
        unit: what they are.
    """
    with Meter(what, len(items), unit) as meter:
        for item in items:
            yield item
            meter.add()
