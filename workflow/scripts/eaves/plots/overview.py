"""Pictures for people: what was given, what is true and what was found, side by side."""

from pathlib import Path

import cv2
import numpy as np

from eaves.core.files import atomic_write
from eaves.tiles.prepared import NODATA

PANEL_PX = 512
GAP_PX = 8
TITLE_PX = 34
TALL_M = 15.0  # heights from here on are drawn alike
PAPER = (255, 255, 255)
INK = (40, 40, 40)
UNCERTAIN = (160, 160, 160)
TITLES = ("orthophoto", "height above ground (0-15 m)", "truth", "found")


def write(path: Path, picture: np.ndarray) -> None:
    """Write a picture as PNG.

    Args:
        path: the file.
        picture: (height, width, 3) uint8, RGB.

    Raises:
        WriteError: it cannot be written.
    """
    _, content = cv2.imencode(".png", picture[..., ::-1])  # OpenCV's own writing does not tell when a disk is full
    with atomic_write(path, content.nbytes) as temporary:
        temporary.write_bytes(content.tobytes())


def overview(rows: list[tuple[str, np.ndarray, np.ndarray | None, np.ndarray]]) -> np.ndarray:
    """Draws a row of panels for each tile: orthophoto, height, truth, and what was found.

    Args:
        rows: name; image (H, W, 4) int16 as prepared; truth (H, W) int32 or None; labels (H, W) int32.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    drawn = [_titles()]
    for name, image, truth, labels in rows:
        photo = _rgb(image)
        nothing = np.full((PANEL_PX, PANEL_PX, 3), 235, np.uint8)
        panels = [
            _panel(photo),
            _panel(_heights(image[..., 3])),
            _panel(_colour_buildings(photo, truth)) if truth is not None else _write_text(nothing, "no truth"),
            _panel(_colour_buildings(photo, labels)),
        ]
        _write_text(panels[0], name)
        drawn.append(_side_by_side(panels))
    return np.concatenate(drawn)


def _rgb(image: np.ndarray) -> np.ndarray:
    return np.where(image[..., :3] == NODATA, 0, image[..., :3]).astype(np.uint8)


def _heights(band: np.ndarray) -> np.ndarray:
    """Heights as colours, nodata in light grey."""
    grey = np.clip(band / (TALL_M * 100) * 255, 0, 255).astype(np.uint8)
    coloured = cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)[..., ::-1].copy()
    coloured[band == NODATA] = (225, 225, 225)
    return coloured


def _colour_buildings(photo: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Each building in a colour of its own over the faded photo; uncertain ones in grey."""
    faded = (photo.astype(np.float32) * 0.45 + 255 * 0.35).astype(np.uint8)
    # Hues by the golden ratio: neighbours in number are far apart in colour.
    hues = (np.abs(labels).astype(np.float64) * 0.61803398875) % 1
    hsv = np.stack([hues * 179, np.full(labels.shape, 190), np.full(labels.shape, 235)], -1).astype(np.uint8)
    colours = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    colours[labels < 0] = UNCERTAIN
    return np.where((labels != 0)[..., None], colours, faded)


def _panel(picture: np.ndarray) -> np.ndarray:
    """Fits a picture into a square panel; large ones shrink by area, small ones grow pixel by pixel."""
    scale = PANEL_PX / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    fitted = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    panel = np.full((PANEL_PX, PANEL_PX, 3), 255, np.uint8)
    panel[: fitted.shape[0], : fitted.shape[1]] = fitted
    return panel


def _side_by_side(panels: list[np.ndarray]) -> np.ndarray:
    gap = np.full((panels[0].shape[0], GAP_PX, 3), PAPER, np.uint8)
    row = np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1)
    return np.concatenate([row, np.full((GAP_PX, row.shape[1], 3), PAPER, np.uint8)])


def _titles() -> np.ndarray:
    panels = []
    for title in TITLES:
        panel = np.full((TITLE_PX, PANEL_PX, 3), PAPER, np.uint8)
        cv2.putText(panel, title, (4, TITLE_PX - 11), cv2.FONT_HERSHEY_SIMPLEX, 0.7, INK, 1, cv2.LINE_AA)
        panels.append(panel)
    return _side_by_side(panels)[:TITLE_PX]


def _write_text(panel: np.ndarray, text: str) -> np.ndarray:
    """Writes into the upper left corner of a panel, in place."""
    for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        cv2.putText(panel, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, width, cv2.LINE_AA)
    return panel
