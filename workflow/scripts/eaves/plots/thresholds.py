"""Draw the score as a function of the separation's thresholds: heat maps of the two probabilities and the two sizes."""

import cv2
import numpy as np
import pandas as pd

from eaves.separation.thresholds import Thresholds

CELL_PX = (74, 44)  # width, height
MARGIN_PX = 64  # for the scale on the left and below
HEADER_PX, NOTE_PX, EDGE_PX = 62, 28, 20
RANGE = 0.06  # F-scores this far below the best, and lower ones, get the darkest colour
PAPER, INK, NO_VALUE = (255, 255, 255), (40, 40, 40), (235, 235, 235)
CHOSEN, CONFIGURED = (214, 40, 40), (40, 40, 40)


def draw(surface: pd.DataFrame, chosen: Thresholds, configured: Thresholds, notes: list[str]) -> np.ndarray:
    """Draw the two planes of the surface that contain the chosen combination.

    Args:
        surface: A row per combination, with the columns of Thresholds and `f_score`.
        chosen: Chosen combination, framed in red.
        configured: Configured combination, framed in black at its values of the two thresholds that a plane shows.
        notes: Lines of text below the maps.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    best = float(surface["f_score"].max())
    panels = [
        _panel(surface, across, down, chosen, configured, best)
        for across, down in (("high", "low"), ("min_seed_px", "min_area_px"))
    ]
    tall = max(panel.shape[0] for panel in panels)
    maps = np.concatenate([_pad(panel, tall, panel.shape[1] + EDGE_PX) for panel in panels], axis=1)
    lines = [*notes, "red frame: chosen; black frame: configured (in each map, the other two thresholds are as chosen)"]
    wide = max(maps.shape[1], max(_width(line, 0.5) for line in lines) + 2 * EDGE_PX)
    below = np.full((NOTE_PX * len(lines) + EDGE_PX, wide, 3), PAPER, np.uint8)
    for number, line in enumerate(lines):
        _write(below, line, EDGE_PX, NOTE_PX * number + 18, 0.5)
    return np.concatenate([_pad(maps, tall, wide), below])


def _panel(
    surface: pd.DataFrame, across: str, down: str, chosen: Thresholds, configured: Thresholds, best: float
) -> np.ndarray:
    """Draw one plane: `across` from left to right, `down` from bottom to top, the other two thresholds as chosen."""
    fixed = [name for name in Thresholds._fields if name not in (across, down)]
    plane = surface[(surface[fixed] == [getattr(chosen, name) for name in fixed]).all(axis=1)]
    table = plane.pivot_table(index=down, columns=across, values="f_score").sort_index(ascending=False)
    width, height = CELL_PX
    picture = np.full((HEADER_PX + height * table.shape[0] + MARGIN_PX, MARGIN_PX + width * table.shape[1], 3), 255)
    picture = picture.astype(np.uint8)
    title = f"F-score at {', '.join(f'{name} {getattr(chosen, name):g}' for name in fixed)}"
    _write(picture, title, 8, 26, 0.55)
    for row, value in enumerate(table.index):
        _write(picture, f"{value:g}", MARGIN_PX - 10 - _width(f"{value:g}"), HEADER_PX + height * row + 27)
        for column, f_score in enumerate(table.iloc[row]):
            left, top = MARGIN_PX + width * column, HEADER_PX + height * row
            cell = picture[top : top + height - 1, left : left + width - 1]
            cell[:] = NO_VALUE if np.isnan(f_score) else _colour(f_score, best)
            if np.isfinite(f_score):
                ink = INK if f_score > best - 0.5 * RANGE else PAPER
                text = f"{f_score:.3f}"
                _write(cell, text, (width - _width(text)) // 2, 27, ink=ink)
    foot = HEADER_PX + height * table.shape[0]
    for column, value in enumerate(table.columns):
        _write(picture, f"{value:g}", MARGIN_PX + width * column + (width - _width(f"{value:g}")) // 2, foot + 20)
    _write(picture, across, MARGIN_PX + (picture.shape[1] - MARGIN_PX - _width(across, 0.55)) // 2, foot + 46, 0.55)
    _write(picture, down, 8, HEADER_PX - 8, 0.55)
    for one, colour, inset, thick in ((configured, CONFIGURED, 6, 2), (chosen, CHOSEN, 1, 3)):
        column, row = list(table.columns).index(getattr(one, across)), list(table.index).index(getattr(one, down))
        left, top = MARGIN_PX + width * column + inset, HEADER_PX + height * row + inset
        cv2.rectangle(picture, (left, top), (left + width - 2 - 2 * inset, top + height - 2 - 2 * inset), colour, thick)
    return picture


def _colour(f_score: float, best: float) -> np.ndarray:
    share = np.clip(1 - (best - f_score) / RANGE, 0, 1)
    return cv2.applyColorMap(np.array([[round(255 * share)]], np.uint8), cv2.COLORMAP_VIRIDIS)[0, 0, ::-1]


def _pad(picture: np.ndarray, tall: int, wide: int) -> np.ndarray:
    paper = np.full((tall, wide, 3), PAPER, np.uint8)
    paper[: picture.shape[0], : picture.shape[1]] = picture
    return paper


def _width(text: str, size: float = 0.45) -> int:
    return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0]


def _write(
    picture: np.ndarray, text: str, left: int, base: int, size: float = 0.45, ink: tuple[int, int, int] = INK
) -> None:
    """Write a line of text, in place."""
    written = np.ascontiguousarray(picture)
    cv2.putText(written, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)
    picture[:] = written
