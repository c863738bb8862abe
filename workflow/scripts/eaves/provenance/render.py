"""Draw the lineage of a result as a tree of text, with one line for files that differ only by tile, fold or batch."""

import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from eaves.provenance.verify import Check
from eaves.tiles.discovery import tile_of

OK, CHANGED, MISSING = "ok", "CHANGED", "MISSING"
_STATE = 9  # columns for the state, left of the tree
_SHOWN_FAULTS = 10  # lines about files of one kind, without --all
_NARROWEST = 60  # columns for wrapped text at any depth
_FOLD = re.compile(r"fold-(\d+)")
_BATCH = re.compile(r"(?:train|test)-(\d+of\d+)")


def render(check: Check, every_file: bool = False, width: int = 120) -> Iterator[str]:
    """Yield the lines of the tree, then the packages, then everything that no longer matches.

    Args:
        check: the chain and its differences.
        every_file: also list the files of a kind one by one.
        width: columns to wrap settings and packages at.
    """
    yield from _Tree(check, every_file, width).node(check.chain[:1], 0)
    yield ""
    yield from textwrap.wrap(f"packages: {_packages(check)}", width, subsequent_indent="  ")
    yield ""
    links = f"{len(check.chain)} files and {len(check.jobs)} jobs"
    if check.matches:
        yield f"all {links} match"
        return
    yield f"of {links}, these do not match:"
    yield from (f"  {path}: {fault}" for path in check.chain for fault in check.of_file.get(path, []))
    yield from (f"  job {job}: {fault}" for job in check.jobs for fault in check.of_job.get(job, []))


class _Tree:
    """The tree, with the files and settings drawn so far, because each is drawn only once."""

    def __init__(self, check: Check, every_file: bool, width: int) -> None:
        self.check = check
        self.every_file = every_file
        self.width = width
        self.drawn: set[str] = set()

    def node(self, files: list[str], depth: int) -> Iterator[str]:
        """Draw files of one kind, the jobs that made them, and below them what they were made from."""
        lineage = self.check.lineage
        faults = [(path, fault) for path in files for fault in self.check.of_file.get(path, [])]
        many = len(files) > 1
        again = self.drawn.issuperset(files)
        parts = [_name(files), f"{len(files)} files" * many, "raw" * (files[0] in lineage.raw), "as above" * again]
        yield _line(_worst(fault for _, fault in faults), depth, ", ".join(filter(None, parts)))
        if again:
            return
        self.drawn.update(files)
        if self.every_file and many:
            faults += [(path, "") for path in files if path not in self.check.of_file]
        shown = len(faults) if self.every_file else _SHOWN_FAULTS
        for path, fault in faults[:shown]:
            yield _line(_state(fault), depth + 1, "- " + ": ".join(filter(None, [path * many, fault])))
        if len(faults) > shown:
            state = _worst(fault for _, fault in faults[shown:])
            yield _line(state, depth + 1, f"- and {len(faults) - shown} more; --all lists them")
        yield from self.jobs(list(dict.fromkeys(job for path in files if (job := lineage.job_of(path)))), depth + 1)
        inputs = {path for file in files for path in lineage.inputs(file)}
        for members in _kinds(sorted(inputs, key=lambda path: (tile_of(path) is None, path))):
            yield from self.node(members, depth + 1)

    def jobs(self, jobs: list[str], depth: int) -> Iterator[str]:
        """Draw the code, the settings and the device; of settings that were drawn before, only the block's name."""
        entries = [self.check.lineage.jobs[job] for job in jobs]
        faults = list(dict.fromkeys(fault for job in jobs for fault in self.check.of_job.get(job, [])))
        if by := ", ".join(dict.fromkeys(f"{entry['script']} {entry['code']}" for entry in entries)):
            yield _line(CHANGED if faults else OK, depth, f"by {by}")
        for fault in faults:
            yield _line(CHANGED, depth + 1, f"- {fault}")
        settings = dict.fromkeys(
            (block, _values(values)) for entry in entries for block, values in entry["settings"].items()
        )
        new = [f"{block}: {values}" for block, values in settings if f"{block}: {values}" not in self.drawn]
        old = [block for block, values in settings if f"{block}: {values}" in self.drawn]
        self.drawn.update(new)
        devices = dict.fromkeys(_device(entry["made_with"]) for entry in entries)
        for text in [*new, f"{', '.join(old)}: as above" if old else "", *devices]:
            indent = " " * (_STATE + 2 * depth + 2)
            wide = max(self.width, len(indent) + _NARROWEST)
            yield from textwrap.wrap(text, wide, initial_indent=indent, subsequent_indent=f"{indent}  ")


def _kinds(paths: Iterable[str]) -> list[list[str]]:
    """Group files that differ only by tile, fold or batch."""
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(_kind(path)[0], []).append(path)
    return list(found.values())


def _kind(path: str) -> tuple[str, dict[str, str]]:
    """Return a file's name with placeholders for tile, fold, batch and kind of file, and the values of these."""
    tile, varying = tile_of(path), {}
    *folders, file = PurePosixPath(path).parts
    parts = []
    for part in folders if tile else (*folders, file):  # the name of a tile may look like that of a fold
        for name, pattern in (("<fold>", _FOLD), ("<batch>", _BATCH)):
            if match := pattern.search(part):
                varying[name] = match[1]
                part = part[: match.start(1)] + name + part[match.end(1) :]
        parts.append(part)
    if tile:
        rest, ending = file[len(tile) :], PurePosixPath(file).suffix
        if rest.startswith("_"):  # the kind of the tile's file, e.g. _image
            varying["<file>"] = rest[1 : -len(ending)]
            rest = f"_<file>{ending}"
        varying["<tile>"] = tile
        parts.append(f"<tile>{rest}")
    return str(PurePosixPath(*parts)), varying


def _name(files: list[str]) -> str:
    """Return one name for files of one kind, with placeholders only for what they do not share."""
    name, _ = _kind(files[0])
    values: dict[str, set[str]] = {}
    for path in files:
        for placeholder, value in _kind(path)[1].items():
            values.setdefault(placeholder, set()).add(value)
    for placeholder, found in values.items():
        several = "{" + ",".join(sorted(found)) + "}" if placeholder == "<file>" else placeholder
        name = name.replace(placeholder, several if len(found) > 1 else min(found))
    return name


def _values(values: Any, above: str = "") -> str:
    if not isinstance(values, dict):
        return json.dumps(values)
    parts = []
    for key, value in sorted(values.items()):
        inner = isinstance(value, dict)
        parts.append(_values(value, f"{above}{key}.") if inner else f"{above}{key} {json.dumps(value)}")
    return ", ".join(parts)


def _device(made_with: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {value}" for name, value in sorted(made_with.items()) if name != "packages")
    return f"on {parts}" if parts else ""


def _packages(check: Check) -> str:
    """List the packages' versions; where a package has several, with the scripts that used each."""
    users: dict[str, dict[str, dict[str, None]]] = {}
    for job in check.jobs:
        entry = check.lineage.jobs[job]
        for name, version in entry["made_with"]["packages"].items():
            users.setdefault(name, {}).setdefault(version, {})[entry["script"]] = None
    parts = []
    for name, versions in sorted(users.items()):
        by = [f"{version} ({', '.join(scripts)})" for version, scripts in versions.items()]
        parts.append(f"{name} {', '.join(by) if len(by) > 1 else next(iter(versions))}")
    return ", ".join(parts)


def _state(fault: str) -> str:
    return (MISSING if fault == "missing" else CHANGED) if fault else OK


def _worst(faults: Iterable[str]) -> str:
    states = {_state(fault) for fault in faults}
    return next((state for state in (MISSING, CHANGED) if state in states), OK)


def _line(state: str, depth: int, text: str) -> str:
    return f"{state:<{_STATE}}{'  ' * depth}{text}"
