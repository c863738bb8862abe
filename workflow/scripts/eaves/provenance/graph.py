"""The lineage of a result: the chain of files that it was made from, as provenance.json lists them."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eaves.core.errors import InputError
from eaves.provenance.collect import FORMAT, MODEL
from eaves.tiles import prepared
from eaves.tiles.discovery import raster_name, tile_of

FILE = Path("results") / "provenance.json"
TRUTH = ("GTI", "GTL")


@dataclass(frozen=True)
class Lineage:
    """The content of provenance.json.

    Attributes:
        folder: the working folder, which file names are relative to.
        jobs, results, raw: the parts of the file; docs/lineage.md describes them.
    """

    folder: Path
    jobs: dict[str, dict[str, Any]]
    results: dict[str, dict[str, Any]]
    raw: dict[str, dict[str, Any]]
    _by_tile: dict[str, dict[str | None, dict[str, str]]] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, file: Path, folder: Path) -> "Lineage":
        """Read provenance.json.

        Args:
            file: the file.
            folder: the working folder that its names are relative to.

        Raises:
            InputError: the file is missing, damaged or of another format.
        """
        try:
            found = json.loads(file.read_text())
            if found["format"] != FORMAT:
                raise ValueError(f"format {found['format']}, not {FORMAT}")
            return cls(folder, found["jobs"], found["results"], found["raw"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file}: cannot be read ({error}); make it with `snakemake report`") from error

    def recorded(self, path: str) -> dict[str, Any]:
        """Return the entry of a file, result or raw."""
        return self.results.get(path) or self.raw[path]

    def job_of(self, path: str) -> str | None:
        """Return the job that made a file; None for a raw one."""
        return self.results[path]["job"] if path in self.results else None

    def inputs(self, path: str) -> dict[str, str]:
        """Return what a result was made from, which is less than what its job read.

        A job reads the tiles of a whole batch; a result of one tile was made from that tile's files, and from files
        that belong to no tile. An out-of-fold prediction comes from the one model that held the tile out, and a
        prepared image does not come from the truth, which is prepared beside it.

        Returns:
            The SHA-256 of each file as the job read it; empty for a raw file.
        """
        job = self.job_of(path)
        if job is None:
            return {}
        own, only = tile_of(path), self.results[path].get("model")
        read = self.jobs[job]["inputs"] if own is None else self._of_tile(job, own)
        is_image = own is not None and Path(path) == prepared.image_path(Path("results/tiles"), own)
        return {
            name: digest
            for name, digest in read.items()
            if (only is None or name == only or not name.endswith(MODEL))
            and not (is_image and raster_name(Path(name))[1] in TRUTH)
        }

    def _of_tile(self, job: str, tile: str) -> dict[str, str]:
        """Return a job's inputs that belong to a tile, and those that belong to none."""
        if job not in self._by_tile:
            groups: dict[str | None, dict[str, str]] = {None: {}}
            for name, digest in self.jobs[job]["inputs"].items():
                groups.setdefault(tile_of(name), {})[name] = digest
            self._by_tile[job] = groups
        return self._by_tile[job].get(tile, {}) | self._by_tile[job][None]

    def chain(self, start: str) -> list[str]:
        """List a result and all files that it comes from, each once, the result first.

        Raises:
            InputError: provenance.json has no entry for the file.
        """
        if start not in self.results and start not in self.raw:
            raise InputError(
                f"{start}: not in results/provenance.json: no rule makes it, or it is newer than that file; update it "
                "with `snakemake report`"
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
    """Find the working folder of a result: the nearest folder above it with a results/provenance.json.

    Args:
        result: a path, absolute or relative to the current folder; the file need not exist.
        elsewhere: another folder that a relative path may be relative to.

    Returns:
        The working folder, and the result's name relative to it.

    Raises:
        InputError: there is no such folder.
    """
    starts = [Path.cwd()] if result.is_absolute() else [Path.cwd(), elsewhere]
    for start in starts:
        place = Path(os.path.abspath(start / result))  # noqa: PTH100  keeps links: results/ may be one
        for folder in place.parents:
            if (folder / FILE).is_file():
                return folder, place.relative_to(folder).as_posix()
    raise InputError(f"{result}: no {FILE} in the folders above it; make it with `snakemake report`")
