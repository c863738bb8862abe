"""Number the true buildings, and simulate errors of manual labelling: missing, shifted and uncertain labels."""

import numpy as np
from scipy import ndimage

MISSING = 0.035
"""Share of buildings without a label. The challenge has all three errors; the shares are this project's choice."""
SHIFTED = 0.15
"""Share of labels that are shifted by 1 to 4 px."""
UNCERTAIN = 0.04
"""Share of labels marked uncertain."""
SLIVER_PX = 40
"""Regions below this area, mostly cut off by the scene's border, are uncertain."""


def relabel(truth: np.ndarray) -> np.ndarray:
    """Assign an id to every connected region, consecutive in order of first appearance.

    Args:
        truth: (H, W) int32, any ids, negative where uncertain.

    Returns:
        (H, W) int32: each id is one 4-connected region, absolute values 1..n, small regions negative.
    """
    side = truth.shape
    result = np.zeros(side, np.int32)
    _, dense = np.unique(truth, return_inverse=True)
    boxes = ndimage.find_objects(dense.reshape(side) + 1)
    ids = np.unique(truth)
    pieces = []
    for value, box in zip(ids, boxes, strict=True):
        if value == 0:
            continue
        parts, count = ndimage.label(truth[box] == value)
        for part in range(1, count + 1):
            rows, columns = np.nonzero(parts == part)
            rows, columns = rows + box[0].start, columns + box[1].start
            pieces.append((int(rows[0]), int(columns[0]), rows, columns, value < 0 or rows.size < SLIVER_PX))
    pieces.sort(key=lambda piece: piece[:2])
    for number, (_, _, rows, columns, unsure) in enumerate(pieces, start=1):
        result[rows, columns] = -number if unsure else number
    return result


def add_label_noise(rng: np.random.Generator, truth: np.ndarray) -> np.ndarray:
    """Simulate errors of manual labelling: omit some buildings, shift some, mark some uncertain.

    Args:
        rng: Random generator.
        truth: (H, W) int32, ids as `relabel` returns them.

    Returns:
        (H, W) int32 labels, numbered by `relabel`.
    """
    side = np.array(truth.shape)
    result = np.zeros_like(truth)
    boxes = ndimage.find_objects(np.abs(truth))
    for number, box in enumerate(boxes, start=1):
        missing, shifted, unsure = rng.uniform(size=3)
        distance, heading = rng.uniform(1, 4), rng.uniform(0, 2 * np.pi)
        if missing < MISSING:
            continue
        rows, columns = np.nonzero(np.abs(truth[box]) == number)
        rows, columns = rows + box[0].start, columns + box[1].start
        sign = np.sign(truth[rows[0], columns[0]])
        if shifted < SHIFTED:
            rows = rows + round(distance * np.sin(heading))
            columns = columns + round(distance * np.cos(heading))
        keep = (rows >= 0) & (columns >= 0) & (rows < side[0]) & (columns < side[1])
        rows, columns = rows[keep], columns[keep]
        free = result[rows, columns] == 0
        result[rows[free], columns[free]] = -number if unsure < UNCERTAIN else sign * number
    return relabel(result)
