"""Combine the records of a run's jobs into the lineage of its results, back to the raw files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from eaves.core import environment, records
from eaves.core.errors import InputError

FORMAT = 2  # of provenance.json
MODEL = ".safetensors"


def collect(places: Iterable[Path], given: Iterable[Path] = (), root: str = "") -> dict[str, dict[str, Any]]:
    """Collect records into the parts of provenance.json, which docs/lineage.md describes.

    Every hash is one that a job computed. If several jobs read a raw file and found different hashes, that of the first
    job by name is taken, so that results of the other jobs are reported as made from another version.

    Args:
        places: records, or folders that are searched for them.
        given: files below results/ that no job made, e.g. the models of another run.
        root: the working folder in the names of the given files, as `records.working_folder` returns it.

    Returns:
        `jobs`, `results` and `raw`, each sorted by name.

    Raises:
        InputError: a record cannot be read or is missing, or two jobs have written the same file.
    """
    jobs: dict[str, dict[str, Any]] = {}
    results: dict[str, dict[str, Any]] = {}
    for file in files_at(places):
        record = records.read(file)
        job = records.job_of(file)
        outputs, models = record.pop("outputs"), record.pop("models")
        for path, digest in outputs.items():
            if path in results:
                raise InputError(
                    f"{file}: {path} is in the record of the job {results[path]['job']}, too; leave out the older "
                    "record, whose job is no longer part of the run"
                )
            results[path] = {"job": job, "sha256": digest}
            if path in models:
                results[path]["model"] = models[path]
        jobs[job] = record
    models_of = {records.name_in(root, path): path for path in given}
    raw: dict[str, dict[str, Any]] = {}
    for job in sorted(jobs):
        for path, digest in jobs[job]["inputs"].items():
            if path in results or path in raw:
                continue
            if path.startswith("results/") and path not in models_of:
                raise InputError(
                    f"{path}: the job {job} read it, but no record says what made it; pass the record of that job, too"
                )
            raw[path] = {"sha256": digest}
            if path in models_of and (used := environment.of_model(models_of[path])):
                raw[path]["made_with"] = used
    return {
        "jobs": dict(sorted(jobs.items())),
        "results": dict(sorted(results.items())),
        "raw": dict(sorted(raw.items())),
    }


def files_at(places: Iterable[Path]) -> list[Path]:
    """Find records, sorted by path.

    Args:
        places: records, or folders that are searched for them.

    Raises:
        InputError: a place does not exist.
    """
    found: set[Path] = set()
    for place in places:
        if not place.exists():
            raise InputError(f"{place}: no such file or folder; `snakemake report` writes every job's record")
        found.update(place.rglob("*.json") if place.is_dir() else [place])
    return sorted(found)
