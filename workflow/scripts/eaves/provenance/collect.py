"""What made each result: gathered from Snakemake's records, from the last results back to the raw files.

How it works: from each final result, the record of the job that made it is read, then those of the job's inputs, until
files are reached that no job has made: the raw ones. Snakemake has taken the SHA-256 of everything that a job read when
the job was done, so that only what no job has read is hashed here. What a job read is noted as it was then: a file that
was changed since, by hand, shows.
"""

import csv
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eaves.core import environment
from eaves.core.errors import InputError
from eaves.core.files import file_sha256
from eaves.provenance import job_records
from eaves.provenance.job_records import JobRecord
from eaves.tiles.discovery import tile_of

FORMAT = 1  # of provenance.json
MODEL = ".safetensors"


@dataclass
class Gathered:
    """What was found: jobs by name, the job of each result, and the raw files."""

    jobs: dict[str, JobRecord] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    raw: set[str] = field(default_factory=set)

    @property
    def files(self) -> list[str]:
        """All files, sorted."""
        return sorted({*self.results, *self.raw})


def gather(
    ends: Iterable[str],
    blocks: set[str],
    given: Iterable[str] = (),
    order_only: Iterable[tuple[str, str]] = (),
    folder: Path = job_records.FOLDER,
) -> Gathered:
    """Goes back from results to raw files.

    Args:
        ends: results that no job reads, relative to the working folder.
        blocks: names of the configuration's blocks.
        given: files under results/ that nothing need have made, e.g. models of another run.
        order_only: (rule, input) that the rule waits for and does not read.
        folder: where Snakemake keeps its records.

    Raises:
        InputError: Snakemake has no record of a result.
    """
    found = Gathered()
    given, skipped = set(given), set(order_only)
    waiting = list(ends)
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        record = job_records.read(path, blocks, folder)
        if record is None:
            if path.startswith("results/") and path not in given:
                raise InputError(
                    f"{path}: Snakemake has no record of what made it; let it write one: snakemake --touch --forceall, "
                    "with the settings that the results were made by"
                )
            found.raw.add(path)
            continue
        found.results[path] = record.job
        if record.job not in found.jobs:
            for name in [name for name in record.inputs if (record.rule, name) in skipped]:
                del record.inputs[name]
            found.jobs[record.job] = record
            waiting += record.inputs
    return found


def hashes(found: Gathered) -> dict[str, str]:
    """Gives the SHA-256 of each file.

    It is what the jobs read, where they agree; such a file may have been removed since. Files that no job has read,
    that Snakemake has not hashed, or of which two jobs have read different versions, are hashed as they are now.

    Raises:
        InputError: such a file is missing.
    """
    read: dict[str, set[str | None]] = {}
    for record in found.jobs.values():
        for path, digest in record.inputs.items():
            read.setdefault(path, set()).add(digest)
    known = {path: next(iter(digests)) for path, digests in read.items() if len(digests) == 1}
    unsure = [path for path in found.files if not known.get(path)]
    taken = dict(zip(unsure, sha256_of(unsure), strict=True))
    for path, digest in taken.items():
        if digest is None:
            raise InputError(f"{path}: missing; make it again: snakemake {path}")
    return {path: digest for path in found.files if (digest := known.get(path) or taken.get(path))}


def sha256_of(paths: Iterable[str | Path]) -> list[str | None]:
    """Hashes files, as many at a time as there are cores; None for a missing one."""
    with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)))) as pool:  # hashing lets go of the interpreter
        return list(pool.map(_sha256, paths))


def _sha256(path: str | Path) -> str | None:
    try:
        return file_sha256(Path(path))
    except FileNotFoundError:
        return None


def entries(found: Gathered) -> dict[str, dict[str, Any]]:
    """Puts what was found into the parts of provenance.json; what each holds is in docs/lineage.md.

    Returns:
        `jobs`, `results` and `raw`, each sorted by name.

    Raises:
        InputError: a file is missing.
    """
    digests = hashes(found)
    models: dict[str, dict[str, Any] | None] = {}
    for path, job in sorted(found.results.items()):
        # A log tells of the last time that a fold was trained here; the model may come from the cache.
        if path.endswith(MODEL) and (used := environment.of_model(Path(path))):
            models[job] = used
    jobs = {}
    for name, record in sorted(found.jobs.items()):
        jobs[name] = {
            "rule": record.rule,
            "script": record.script,
            "code": record.code,
            "settings": record.settings,
            "made_with": models.get(name) or environment.read_note(record.log),
            "inputs": {path: digest or digests[path] for path, digest in record.inputs.items()},
        }
    results: dict[str, Any] = {}
    for path, job in sorted(found.results.items()):
        results[path] = {"job": job, "sha256": digests[path]}
        if only := _model_of(path, found.jobs[job]):
            results[path]["model"] = only
    raw: dict[str, Any] = {path: {"sha256": digests[path]} for path in sorted(found.raw)}
    for path in raw:
        if path.endswith(MODEL) and (used := environment.of_model(Path(path))):
            raw[path]["made_with"] = used
    return {"jobs": jobs, "results": results, "raw": raw}


def _model_of(path: str, record: JobRecord) -> str | None:
    """The model that predicted an out-of-fold tile, of all that its job was given: the one that had held it out."""
    tile, models = tile_of(path), [name for name in record.inputs if name.endswith(MODEL)]
    tables = [name for name in record.inputs if Path(name).name == "folds.csv"]
    if tile is None or len(models) < 2 or not tables:
        return None
    with Path(tables[0]).open(newline="") as stream:
        fold = next(row["fold"] for row in csv.DictReader(stream) if row["tile"] == tile)
    return next(name for name in models if Path(name).stem == f"fold-{fold}")
