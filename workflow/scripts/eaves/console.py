"""What every script does alike: arguments, a log, progress, and one clear line where the input is at fault."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from eaves import made_with
from eaves.errors import InputError
from eaves.files import writing
from eaves.write_faults import cause

LOG = logging.getLogger("eaves")
T = TypeVar("T")


def parser(doc: str) -> argparse.ArgumentParser:
    """Starts a script's arguments: its docstring as the help text, and `--log`."""
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
    main: Callable[[argparse.Namespace], dict[str, Any] | None], arguments: argparse.Namespace, fault: int = 1
) -> None:
    """Runs a script's main: messages to stderr and the log, which ends with the versions of the packages used.

    Args:
        main: what to run; what it returns, the device it computed on if any, is noted in the log too.
        arguments: as parsed.
        fault: the exit status where the input is at fault, which is told in one line.
    """
    LOG.handlers = [logging.StreamHandler(sys.stderr)]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        if arguments.log:
            with writing(arguments.log):
                arguments.log.parent.mkdir(parents=True, exist_ok=True)
                LOG.addHandler(_LogFile(arguments.log, mode="w"))
        computed_on = main(arguments)
        if arguments.log:
            with writing(arguments.log):
                made_with.note(arguments.log, computed_on)
    except InputError as error:
        for line in str(error).splitlines():
            LOG.error("error: %s", line)
        sys.exit(fault)
    except Exception as error:
        if found := cause(error):  # not one of a result's, but e.g. of compiled code that is kept
            what = found.filename or "a file"
            LOG.error("error: %s cannot be written: %s; mend that and run again", what, found.strerror)
            sys.exit(1)
        LOG.exception("error: this is a fault in Eaves, not in the input; please report it with these lines")
        sys.exit(1)


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """A progress bar on a terminal, and nothing elsewhere."""
    yield from tqdm(items, desc=what, total=total, disable=not sys.stderr.isatty(), leave=False)
