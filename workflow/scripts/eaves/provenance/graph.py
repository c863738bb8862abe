"""The lineage of a result: the files that it comes from, as provenance.json tells."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eaves.core.errors import InputError
from eaves.provenance.collect import FORMAT, MODEL
from eaves.tiles.discovery import raster_name, tile_of

FILE = Path("results") / "provenance.json"
TRUTH = ("GTI", "GTL")


@dataclass(frozen=True)
class Lineage:
    """What provenance.json holds. folder: the working folder, which file names are relative to."""

    folder: Path
    jobs: dict[str, dict[str, Any]]
    results: dict[str, dict[str, Any]]
    raw: dict[str, dict[str, Any]]
    _sorted: dict[str, dict[str | None, dict[str, str]]] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, file: Path, folder: Path) -> "Lineage":
        """Reads provenance.json.

        Raises:
            InputError: it is missing, or is none.
        """
        try:
            found = json.loads(file.read_text())
            if found["format"] != FORMAT:
                raise ValueError(f"format {found['format']}, not {FORMAT}")
            return cls(folder, found["jobs"], found["results"], found["raw"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file}: cannot be read ({error}); make it with `snakemake report`") from error

    def recorded(self, path: str) -> dict[str, Any]:
        """What is noted of a file, result or raw."""
        return self.results.get(path) or self.raw[path]

    def job_of(self, path: str) -> str | None:
        """The job that made a file; None for a raw one."""
        return self.results[path]["job"] if path in self.results else None

    def inputs(self, path: str) -> dict[str, str]:
        """What a result was made from, which is less than what its job read.

        Of a batch of tiles, it is the files of the result's own tile, and those of no tile. For an out-of-fold
        prediction, it is the one model that held the tile out; for a prepared image, it is not the truth, which is
        prepared beside it.

        Returns:
            The SHA-256 of each file as the job read it.
        """
        job = self.job_of(path)
        if job is None:
            return {}
        own, only = tile_of(path), self.results[path].get("model")
        read = self.jobs[job]["inputs"] if own is None else self._of_tile(job, own)
        is_image = path.startswith("results/tiles/") and path.endswith("_image.tif")
        return {
            name: digest
            for name, digest in read.items()
            if (only is None or name == only or not name.endswith(MODEL))
            and not (is_image and raster_name(Path(name))[1] in TRUTH)
        }

    def _of_tile(self, job: str, tile: str) -> dict[str, str]:
        """A job's inputs that are of a tile, and those of none."""
        if job not in self._sorted:
            groups: dict[str | None, dict[str, str]] = {None: {}}
            for name, digest in self.jobs[job]["inputs"].items():
                groups.setdefault(tile_of(name), {})[name] = digest
            self._sorted[job] = groups
        return self._sorted[job].get(tile, {}) | self._sorted[job][None]

    def chain(self, start: str) -> list[str]:
        """A result and all that it comes from, each once, the result first.

        Raises:
            InputError: nothing is noted of the file.
        """
        if start not in self.results and start not in self.raw:
            raise InputError(
                f"{start}: not in results/provenance.json; it was made by no rule, or after the last `snakemake report`"
            )
        found: dict[str, None] = {}
        waiting = [start]
        while waiting:
            path = waiting.pop()
            if path not in found:
                found[path] = None
                waiting += reversed(self.inputs(path))
        return list(found)


def find(result: Path, elsewhere: Path) -> tuple[Path, str]:
    """Finds the working folder that a result belongs to: the nearest above it with a results/provenance.json.

    Args:
        result: as the user named it; it need not be there.
        elsewhere: a working folder to look in, too, if the path is relative.

    Returns:
        The working folder, and the result's name relative to it.

    Raises:
        InputError: there is no such folder.
    """
    starts = [Path.cwd()] if result.is_absolute() else [Path.cwd(), elsewhere]
    for start in starts:
        place = Path(os.path.abspath(start / result))  # noqa: PTH100  links stay: results/ may be one
        for folder in place.parents:
            if (folder / FILE).is_file():
                return folder, place.relative_to(folder).as_posix()
    raise InputError(f"{result}: no {FILE} in the folders above it; make it with `snakemake report`")
