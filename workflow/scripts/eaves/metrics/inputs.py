"""Match the truth and the solution of each tile by name, and check that they are on one grid."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eaves.core.errors import InputError
from eaves.metrics import label_sources
from eaves.raster import geotiff, grids


@dataclass(frozen=True)
class Pair:
    """The rasters from which a tile is scored.

    Attributes:
        truth: (H, W) int32 ids, 0 is ground, negative where uncertain.
        solution: (H, W) int32 ids, 0 is ground.
        out_of_map: (H, W) bool, True where out of the map; None if the whole tile is visible.
        probability: (H, W), probability of building as stored in the file; None if not given.
        pixel_m: edge of a pixel, metres; None if no file is georeferenced.
    """

    truth: np.ndarray
    solution: np.ndarray
    out_of_map: np.ndarray | None
    probability: np.ndarray | None
    pixel_m: float | None


class Pairs:
    """The truth and the solution of all tiles, with further rasters for scoring."""

    def __init__(
        self,
        truth: Path,
        solution: Path,
        out_of_map: Path | None = None,
        heights: Path | None = None,
        confidence: Path | None = None,
        names: list[str] | None = None,
    ) -> None:
        """Find the files of each tile.

        Args:
            truth: Folder of GeoTIFFs, or a text file.
            solution: Folder of GeoTIFFs, or a text file.
            out_of_map: Folder of rasters, not 0 where out of the map; or None.
            heights: Folder of DSMs or prepared images, nodata where out of the map; or None. Without either, only a
                text file of truth defines what is out of the map.
            confidence: Folder of probabilities, or None.
            names: Names of the tiles to be scored; None for all that have truth.

        Raises:
            InputError: A tile lacks a solution, heights or confidence; one line for each.
        """
        self._truth = label_sources.find_labels(truth, label_sources.TRUTH, "--truth")
        self._solution = label_sources.find_labels(solution, label_sources.SOLUTION, "--solution")
        self._out_of_map = out_of_map and label_sources.find_by_tile(out_of_map, label_sources.PLAIN, "--out-of-map")
        self._heights = heights and label_sources.find_by_tile(heights, label_sources.HEIGHTS, "--heights")
        self._confidence = confidence and label_sources.find_by_tile(confidence, label_sources.PLAIN, "--confidence")
        self.names = sorted(self._truth.tiles) if names is None else sorted(names)
        needed: list[tuple[Path | None, Any]] = [
            (truth, self._truth.tiles),
            (solution, self._solution.tiles),
            (out_of_map, self._out_of_map),
            (heights, self._heights),
            (confidence, self._confidence),
        ]
        errors = [
            f"{place}: tile {name} is missing; add it, or leave it out of the truth"
            for place, there in needed
            for name in self.names
            if there is not None and name not in there
        ]
        if errors:
            raise InputError("\n".join(errors))
        self.without_truth = sorted(set(self._solution.tiles) - set(self._truth.tiles))

    def files(self, name: str) -> list[Path]:
        """List the files that `read` reads for one tile."""
        found: list[Path] = []
        for side in (self._truth, self._solution):
            place = side.tiles[name]
            found.append(place if isinstance(place, Path) else side.path)
        rasters = (self._truth.classes, self._solution.classes, self._out_of_map or self._heights, self._confidence)
        return found + [there[name] for there in rasters if there and name in there]

    def read(self, name: str) -> Pair:
        """Read one tile.

        Raises:
            InputError: A file cannot be read, does not hold labels, or is on another grid than the truth.
        """
        truth, solution = self._truth.read(name), self._solution.read(name)
        _check_grid(solution.file, solution.grid, truth)
        if solution.labels.min() < 0:
            raise InputError(
                f"{solution.file}: the id {solution.labels.min()} is negative, but only truth may be uncertain"
            )
        hidden = truth.out_of_map
        if self._out_of_map or self._heights:
            path = (self._out_of_map or self._heights or {})[name]
            _check_grid(str(path), geotiff.grid(path), truth)
            hidden = (
                label_sources.read_out_of_map(path) if self._out_of_map else label_sources.read_unknown_height(path)
            )
        probability = None
        if self._confidence:
            path = self._confidence[name]
            _check_grid(str(path), geotiff.grid(path), truth)
            probability = geotiff.read(path)
            n_nan = int((np.isnan(probability) & (solution.labels != 0)).sum()) if probability.dtype.kind == "f" else 0
            if n_nan:
                raise InputError(f"{path}: {n_nan} pixels of buildings have no probability (NaN); fill them with 0")
        edge_m = grids.pixel_edge_m(truth.grid) or grids.pixel_edge_m(solution.grid)
        return Pair(truth.labels, solution.labels, hidden, probability, edge_m)


def _check_grid(file: str, grid: dict[str, Any], truth: label_sources.Raster) -> None:
    difference = grids.describe_difference(grid, truth.grid)
    if difference:
        raise InputError(
            f"{file}: {difference} as {truth.file}; both must be on one grid: resample it, or rasterise it again"
        )
