"""Records of jobs: which code and settings each one ran with, and the SHA-256 of what it read and wrote.

A record is a small JSON file, an output of its job's rule: `results/records/<stage>/<job>.json`. It holds no time,
host, user or working folder, so that equal jobs write equal records.
"""

import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eaves.core import environment
from eaves.core.code_hash import code_hash
from eaves.core.errors import InputError
from eaves.core.files import atomic_write, file_sha256

FORMAT = 1  # of a record
FOLDER = "results/records/"
KEYS = {"format", "script", "code", "settings", "made_with", "inputs", "outputs", "models"}


@dataclass(frozen=True)
class Done:
    """What a script's `main` reports about its job.

    Attributes:
        inputs: the files that were read, raw or results. A file that holds the hashes of others represents them:
            training lists folds.csv in place of the tiles.
        outputs: the files that were written.
        device: where a network computed, as `devices.describe` returns it.
        made_with: packages and device of the process that made the outputs, if it was not this one.
        models: where each output comes from one of several models, the model of each output.
    """

    inputs: Iterable[Path]
    outputs: Iterable[Path]
    device: Mapping[str, Any] = field(default_factory=dict)
    made_with: Mapping[str, Any] | None = None
    models: Mapping[Path, Path] = field(default_factory=dict)


def write(record: Path, script: Path, code: str | None, settings: str | None, done: Done) -> None:
    """Write the record of a job that has succeeded; each input and output is hashed once.

    Args:
        record: the file to write.
        script: the script that ran.
        code: its code hash when the job was planned; None: computed now.
        settings: the blocks of the configuration that the job was given, as JSON; None: it was given none.
        done: what it did.

    Raises:
        InputError: an input or output is missing, or the settings are not JSON.
        WriteError: the record cannot be written.
    """
    root = working_folder(record)
    try:
        blocks = json.loads(settings or "{}")
    except ValueError as error:
        raise InputError(f"--record: a record holds the settings as JSON; --settings is {settings!r}") from error
    content = {
        "format": FORMAT,
        "script": script.name,
        "code": code or code_hash(script),
        "settings": blocks,
        "made_with": done.made_with or {**done.device, "packages": environment.packages()},
        "inputs": _hashed(done.inputs, root),
        "outputs": _hashed(done.outputs, root),
        "models": {name_in(root, output): name_in(root, model) for output, model in done.models.items()},
    }
    with atomic_write(record) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def read(record: Path) -> dict[str, Any]:
    """Read a record.

    Returns:
        script: name of a file in workflow/scripts. code: its code hash. settings: blocks of the configuration.
        made_with: packages and, for networks, device. inputs, outputs: SHA-256 by file. models: the model of each
        output that comes from one of several.

    Raises:
        InputError: the file is missing or is not a record.
    """
    try:
        found = json.loads(record.read_text())
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}, not {FORMAT}")
        if found.keys() != KEYS:
            raise ValueError(f"it has the keys {', '.join(sorted(found))}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{record}: cannot be read as a job's record ({error}); remove it, and run Snakemake again"
        ) from error
    return {name: found[name] for name in sorted(KEYS - {"format"})}


def job_of(record: Path) -> str:
    """Name a job after its record; its log has the same name.

    Example:
        >>> job_of(Path("results/records/models/train/fold-0.json")), job_of(Path("results/records/scores/score.json"))
        ('train/fold-0', 'score')
    """
    _, folder, path = record.as_posix().rpartition(FOLDER)
    name = path.partition("/")[2] if folder else record.name
    return name.removesuffix(".json")


def working_folder(result: Path) -> str:
    """Find where a job's working folder begins in the names of its files.

    It is empty for the working folder itself. With an object store, jobs are given copies below another folder, and
    records name the originals.

    Example:
        >>> working_folder(Path(".snakemake/storage/s3/eaves/run/results/records/scores/score.json"))
        '.snakemake/storage/s3/eaves/run/'
        >>> working_folder(Path("results/provenance.json"))
        ''
    """
    before, found, _ = f"/{result.as_posix()}".rpartition("/results/")
    return f"{before}/".removeprefix("/") if found else ""


def name_in(root: str, path: Path) -> str:
    """Name a file relative to the working folder.

    Args:
        root: as `working_folder` returns it.
        path: the file as the job was given it.
    """
    return path.as_posix().removeprefix(root)


def sha256_of(paths: Iterable[str | Path]) -> list[str | None]:
    """Hash files in as many threads as there are cores; None for a missing file."""
    with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)))) as pool:  # hashing releases the interpreter's lock
        return list(pool.map(_sha256, paths))


def _sha256(path: str | Path) -> str | None:
    try:
        return file_sha256(Path(path))
    except FileNotFoundError:
        return None


def _hashed(paths: Iterable[Path], root: str) -> dict[str, str]:
    """Hash files; the result is sorted by name."""
    unique = sorted({name_in(root, path): path for path in paths}.items())
    found = {}
    for (name, path), digest in zip(unique, sha256_of(path for _, path in unique), strict=True):
        if digest is None:
            raise InputError(f"{path}: was removed while the job ran; run it again")
        found[name] = digest
    return found
