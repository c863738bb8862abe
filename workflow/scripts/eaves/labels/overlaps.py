"""Count the pixels shared by true and predicted buildings, in one pass over both rasters."""

from dataclasses import dataclass

import numpy as np

from eaves.core.errors import InputError
from eaves.core.jit import compiled
from eaves.labels.ids import check_ids, number_ids
from eaves.labels.run_lengths import Runs, find_runs


@dataclass(frozen=True)
class Overlaps:
    """Areas of two rasters' buildings and of their intersections. Buildings are in the order of ascending id.

    Attributes:
        truth_ids: (n,) int64.
        truth_px: (n,) int64, pixels inside the map.
        truth_cut_off: (n,) bool, touches the tile's edge or the out-of-map area.
        solution_ids: (m,) int64.
        solution_px: (m,) int64, all pixels.
        solution_visible_px: (m,) int64, pixels inside the map.
        solution_pieces: (m,) int64, number of 4-connected pieces.
        pair_truth: (k,) int64, positions in truth_ids, one per pair of buildings that overlap inside the map.
        pair_solution: (k,) int64, positions in solution_ids.
        pair_px: (k,) int64, shared pixels inside the map.
    """

    truth_ids: np.ndarray
    truth_px: np.ndarray
    truth_cut_off: np.ndarray
    solution_ids: np.ndarray
    solution_px: np.ndarray
    solution_visible_px: np.ndarray
    solution_pieces: np.ndarray
    pair_truth: np.ndarray
    pair_solution: np.ndarray
    pair_px: np.ndarray


def count_overlaps(truth: np.ndarray, solution: np.ndarray, out_of_map: np.ndarray | None = None) -> Overlaps:
    """Count the pixels of each building and of each pair of a true and a predicted building.

    How it works: both rasters are encoded as runs along the rows, and the runs of each row are intersected. Each
    overlap of two runs yields one entry, and the entries of a pair are summed afterwards. Memory thus grows with the
    length of the outlines, not with the number of buildings.

    Args:
        truth: (H, W) integer ids, 0 is ground.
        solution: (H, W) integer ids, 0 is ground.
        out_of_map: (H, W) bool, True where truth is not visible; None where it is visible everywhere.

    Raises:
        InputError: The rasters differ in shape or are not two-dimensional integer rasters.
    """
    truth, solution = check_ids("truth", truth), check_ids("solution", solution)
    if solution.shape != truth.shape:
        raise InputError(f"solution has shape {solution.shape}, but truth has shape {truth.shape}")
    side = TruthSide(truth, out_of_map)
    runs = find_runs(solution)
    ids, number_of_run = number_ids(runs.label)
    pair_truth, pair_solution, pair_px = side.overlaps_of_runs(runs.row, runs.start, runs.stop, number_of_run)
    return Overlaps(
        truth_ids=side.ids,
        truth_px=side.visible_px,
        truth_cut_off=side.cut_off,
        solution_ids=ids,
        solution_px=_sums(number_of_run, runs.length, ids.size),
        solution_visible_px=_sums(number_of_run, side.visible_px_of_runs(runs), ids.size),
        solution_pieces=np.bincount(number_of_run[runs.first_of_pieces()], minlength=ids.size),
        pair_truth=pair_truth,
        pair_solution=pair_solution,
        pair_px=pair_px,
    )


class TruthSide:
    """The true buildings of one tile, encoded as runs once, for comparison with any number of solutions.

    Attributes:
        ids: (n,) int64, ascending.
        visible_px: (n,) int64, pixels inside the map.
        cut_off: (n,) bool, touches the tile's edge or the out-of-map area.
    """

    def __init__(self, truth: np.ndarray, out_of_map: np.ndarray | None = None) -> None:
        """Encode the truth.

        Args:
            truth: (H, W) integer ids, 0 is ground.
            out_of_map: (H, W) bool, True where truth is not visible; None where it is visible everywhere.

        Raises:
            InputError: The rasters differ in shape or the truth is not two-dimensional integers.
        """
        truth = check_ids("truth", truth)
        if out_of_map is not None and out_of_map.shape != truth.shape:
            raise InputError(f"out_of_map has shape {out_of_map.shape}, but truth has shape {truth.shape}")
        runs = find_runs(truth)
        self.ids, number_of_run = number_ids(runs.label)
        self._shape = truth.shape
        self._hidden = np.zeros((0, 0), bool) if out_of_map is None else np.ascontiguousarray(out_of_map, bool)
        visible_px, cut_off = _visible(self._hidden, runs.row, runs.start, runs.stop, *truth.shape)
        self.visible_px = _sums(number_of_run, visible_px, self.ids.size)
        self.cut_off = _sums(number_of_run, cut_off, self.ids.size) > 0
        self._runs = (runs.row, runs.start, runs.stop, number_of_run)

    def visible_px_of_runs(self, runs: Runs) -> np.ndarray:
        """Count the pixels of each predicted run that are inside the map: (r,) integer."""
        if not self._hidden.size:
            return runs.length
        return _visible(self._hidden, runs.row, runs.start, runs.stop, *self._shape)[0]

    def overlaps_of_runs(
        self, row: np.ndarray, start: np.ndarray, stop: np.ndarray, number: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Count the pixels that true buildings share with predicted ones.

        Args:
            row: (r,) int32, row of each run of the predicted buildings, in row-major order.
            start: (r,) int32, first column.
            stop: (r,) int32, the column after the last.
            number: (r,) integer, the number of the run's predicted building, from 0.

        Returns:
            Three (k,) int64, ascending: true building (position in `ids`), predicted one, shared pixels in the map.
        """
        n = max(self.ids.size, 1)
        pair, run_px = _overlaps_of_runs(self._hidden, self._runs, (row, start, stop, number), n)
        pair, pair_of_run = number_ids(pair)
        return pair % n, pair // n, _sums(pair_of_run, run_px, pair.size)


def _sums(group: np.ndarray, values: np.ndarray, n_groups: int) -> np.ndarray:
    return np.bincount(group, values, n_groups).astype(np.int64)


@compiled
def _visible(
    hidden: np.ndarray, rows: np.ndarray, starts: np.ndarray, stops: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count the visible pixels of each run, and determine whether it touches the tile's edge or the out-of-map area."""
    visible_px = stops.astype(np.int64) - starts
    cut_off = np.zeros(rows.size, np.bool_)
    for run in range(rows.size):
        row, start, stop = rows[run], starts[run], stops[run]
        cut_off[run] = row == 0 or row == height - 1 or start == 0 or stop == width
        if hidden.size > 0:
            visible_px[run] -= np.sum(hidden[row, start:stop])
            cut_off[run] |= (
                np.any(hidden[row, max(start - 1, 0) : stop + 1])
                or np.any(hidden[max(row - 1, 0), start:stop])
                or np.any(hidden[min(row + 1, height - 1), start:stop])
            )
    return visible_px, cut_off


@compiled
def _overlaps_of_runs(
    hidden: np.ndarray,
    truth: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    solution: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    n_truth: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return solution number * n_truth + truth number, and the shared pixels, for each pair of overlapping runs."""
    t_row, t_start, t_stop, t_number = truth
    s_row, s_start, s_stop, s_number = solution
    # Each step past a run adds at most one entry.
    pair = np.empty(t_row.size + s_row.size, np.int64)
    shared_px = np.empty(pair.size, np.int64)
    entries, t, s = 0, 0, 0
    while t < t_row.size and s < s_row.size:
        if t_row[t] == s_row[s]:
            start, stop = max(t_start[t], s_start[s]), min(t_stop[t], s_stop[s])
            if start < stop:
                pixels = stop - start
                if hidden.size > 0:
                    pixels -= np.sum(hidden[t_row[t], start:stop])
                if pixels > 0:
                    pair[entries] = s_number[s] * n_truth + t_number[t]
                    shared_px[entries] = pixels
                    entries += 1
        if t_row[t] < s_row[s] or (t_row[t] == s_row[s] and t_stop[t] <= s_stop[s]):
            t += 1
        else:
            s += 1
    return pair[:entries], shared_px[:entries]
