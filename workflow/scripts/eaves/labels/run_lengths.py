"""Run-length encoding of label rasters, with the runs joined into 4-connected pieces.

A tile of 4 million pixels has some 20,000 runs. Most properties of instances can be computed from the runs, so that the
raster is read only once.
"""

from typing import NamedTuple

import numpy as np

from eaves.core.jit import compiled


class Runs(NamedTuple):
    """The runs of a raster in row-major order. A run is a maximal stretch of a row with one label other than ground.

    Attributes:
        row: (n,) int32.
        start: (n,) int32, first column.
        stop: (n,) int32, the column after the last.
        label: (n,) int64.
        piece: (n,) int32, the 4-connected piece of its label that the run belongs to, 0..n_pieces - 1. Pieces are
            numbered in the order of their first pixels.
        n_pieces: The number of pieces of all labels together.
    """

    row: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    label: np.ndarray
    piece: np.ndarray
    n_pieces: int

    @property
    def length(self) -> np.ndarray:
        """Pixels of each run, (n,) int32."""
        return self.stop - self.start

    @property
    def piece_px(self) -> np.ndarray:
        """Pixels of each piece, (n_pieces,) int64."""
        return np.bincount(self.piece, self.length, self.n_pieces).astype(np.int64)

    def first_of_pieces(self) -> np.ndarray:
        """Return the position of each piece's first run, (n_pieces,)."""
        first = np.empty(self.n_pieces, np.intp)
        first[self.piece[::-1]] = np.arange(self.piece.size)[::-1]
        return first


def find_runs(labels: np.ndarray) -> Runs:
    """Find the runs of a label raster and join connected ones.

    How it works: union-find joins a run with the runs of the same label that it touches in the row above.

    Args:
        labels: (H, W) integer or bool, C-contiguous, 0 is ground.
    """
    return Runs(*_find_runs(labels.view(np.uint8) if labels.dtype == bool else labels))


def concatenate_ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenate the ranges starts[i], ..., starts[i] + lengths[i] - 1.

    >>> concatenate_ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    return np.arange(lengths.sum()) + np.repeat(starts - (ends - lengths), lengths)


@compiled
def lift_runs(
    labels: np.ndarray, rows: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Extract the runs of positive labels from parts of a raster, and set these parts to 0.

    Args:
        labels: (H, W) int32, in which no two different positive labels are adjacent; changed in place.
        rows: (n,) rows of the stretches; nothing outside them is read or changed.
        starts: (n,) their first columns.
        stops: (n,) the columns after their last.

    Returns:
        Row, first column, column after the last, and label of each run, in the order of the stretches.
    """
    capacity = 0
    for stretch in range(rows.size):
        capacity += (stops[stretch] - starts[stretch] + 1) // 2
    row, start, stop = np.empty(capacity, np.int32), np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    label = np.empty(capacity, np.int64)
    runs = 0
    for stretch in range(rows.size):
        pixels = labels[rows[stretch], starts[stretch] : stops[stretch]]
        column = 0
        while column < pixels.size:
            begin = column
            while column < pixels.size and pixels[column] == pixels[begin]:
                column += 1
            if pixels[begin] > 0:
                row[runs], label[runs] = rows[stretch], pixels[begin]
                start[runs], stop[runs] = starts[stretch] + begin, starts[stretch] + column
                runs += 1
        pixels[:] = 0
    return row[:runs], start[:runs], stop[:runs], label[:runs]


@compiled
def _find_runs(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    height, width = labels.shape
    changes = np.ones((width // 8 + 1) * 8, np.uint8)  # ends with at least one change, behind the last column
    words = changes.view(np.uint64)
    capacity = 1 << 14
    row_of, start_of, stop_of = np.empty(capacity, np.int32), np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    label_of, parent = np.empty(capacity, np.int64), np.empty(capacity, np.int32)
    runs, above, above_end = 0, 0, 0
    for row in range(height):
        pixels = labels[row]
        for column in range(1, width):
            changes[column] = pixels[column] != pixels[column - 1]
        row_begin = runs
        stop = 0
        while stop < width:
            start = stop
            stop = _next_nonzero(changes, words, start + 1)
            label = pixels[start]
            if label == 0:
                continue
            if runs == capacity:
                capacity *= 2
                row_of, start_of, stop_of = (
                    _double_capacity(row_of),
                    _double_capacity(start_of),
                    _double_capacity(stop_of),
                )
                label_of, parent = _double_capacity(label_of), _double_capacity(parent)
            row_of[runs], start_of[runs], stop_of[runs] = row, start, stop
            label_of[runs], parent[runs] = label, runs
            while above < above_end and stop_of[above] <= start:
                above += 1
            other = above
            while other < above_end and start_of[other] < stop:
                if label_of[other] == label:
                    a, b = _root(parent, runs), _root(parent, other)
                    parent[max(a, b)] = min(a, b)
                other += 1
            runs += 1
        above, above_end = row_begin, runs

    piece = np.empty(runs, np.int32)
    n_pieces = 0
    for run in range(runs):
        if parent[run] == run:
            piece[run] = n_pieces
            n_pieces += 1
        else:
            piece[run] = piece[_root(parent, run)]
    return row_of[:runs], start_of[:runs], stop_of[:runs], label_of[:runs], piece, n_pieces


@compiled
def _next_nonzero(flags: np.ndarray, words: np.ndarray, position: int) -> int:
    """Find the first flag that is set at or after a position, testing eight at a time.

    Args:
        flags: (8 n,) uint8, at least one of which is not zero at or after the position.
        words: (n,) uint64, a view of the same memory.
        position: The position to start at.
    """
    while position % 8 != 0:
        if flags[position] != 0:
            return position
        position += 1
    word = position // 8
    while words[word] == 0:
        word += 1
    position = word * 8
    while flags[position] == 0:
        position += 1
    return position


@compiled
def _root(parent: np.ndarray, run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@compiled
def _double_capacity(array: np.ndarray) -> np.ndarray:
    return np.concatenate((array, np.empty_like(array)))
