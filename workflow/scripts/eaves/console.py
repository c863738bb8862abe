"""What every script does alike: arguments, a log, progress, and one clear line where the input is at fault."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from eaves import made_with
from eaves.errors import InputError

LOG = logging.getLogger("eaves")
T = TypeVar("T")


def parser(doc: str) -> argparse.ArgumentParser:
    """Starts a script's arguments: its docstring as the help text, and `--log`."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--log", type=Path, help="also write the messages to this file")
    return made


def run(
    main: Callable[[argparse.Namespace], dict[str, Any] | None],
    arguments: argparse.Namespace,
    fault: int = 1,
    crash: int = 1,
) -> None:
    """Runs a script's main: messages to stderr and the log, which ends with the versions of the packages used.

    Args:
        main: what to run; what it returns, the device it computed on if any, is noted in the log too.
        arguments: as parsed.
        fault: the exit status where the input is at fault, which is told in one line.
        crash: the exit status where Eaves itself is at fault, which is told with a traceback.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if arguments.log:
        arguments.log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(arguments.log, mode="w"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
    LOG.handlers = handlers
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        computed_on = main(arguments)
        if arguments.log:
            made_with.note(arguments.log, computed_on)
    except InputError as error:
        for line in str(error).splitlines():
            LOG.error("error: %s", line)
        sys.exit(fault)
    except Exception:
        LOG.exception("error: this is a fault in Eaves, not in the input; please report it with these lines")
        sys.exit(crash)


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """A progress bar on a terminal, and nothing elsewhere."""
    yield from tqdm(items, desc=what, total=total, disable=not sys.stderr.isatty(), leave=False)
