"""Draw tiles side by side: orthophoto, height, true buildings and found buildings."""

from pathlib import Path

import cv2
import numpy as np

from eaves.core.files import atomic_write
from eaves.tiles.prepared import CM_PER_M, NODATA

PANEL_PX = 512
GAP_PX = 8
MARGIN_PX = 5
TITLE_PX = 34
MAX_HEIGHT_M = 15.0  # heights above this get the same colour
PAPER = (255, 255, 255)
INK = (40, 40, 40)
UNCERTAIN = (160, 160, 160)
TITLES = ("orthophoto", "height above ground (0-15 m)", "truth", "found")


def write(path: Path, picture: np.ndarray) -> None:
    """Write a picture as PNG.

    Args:
        path: File to write.
        picture: (height, width, 3) uint8, RGB.

    Raises:
        WriteError: The file cannot be written.
    """
    _, content = cv2.imencode(".png", picture[..., ::-1])  # cv2.imwrite does not report a full disk
    with atomic_write(path, content.nbytes) as temporary:
        temporary.write_bytes(content.tobytes())


def draw(rows: list[tuple[str, np.ndarray, np.ndarray | None, np.ndarray]]) -> np.ndarray:
    """Draw a row of panels for each tile: orthophoto, height, true buildings and found buildings.

    Args:
        rows: For each tile its name, prepared image (H, W, 4) int16, truth (H, W) int32 or None, and labels (H, W)
            int32.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    parts = [_titles()]
    for name, image, truth, labels in rows:
        photo = _rgb(image)
        blank = np.full((PANEL_PX, PANEL_PX, 3), 235, np.uint8)
        panels = [
            _panel(photo),
            _panel(_heights(image[..., 3])),
            _panel(_colour_buildings(photo, truth)) if truth is not None else _write_text(blank, "no truth"),
            _panel(_colour_buildings(photo, labels)),
        ]
        _write_text(panels[0], name)
        parts.append(_side_by_side(panels))
    return np.concatenate(parts)


def _rgb(image: np.ndarray) -> np.ndarray:
    return np.where(image[..., :3] == NODATA, 0, image[..., :3]).astype(np.uint8)


def _heights(band: np.ndarray) -> np.ndarray:
    """Convert (H, W) int16 heights in centimetres to (H, W, 3) uint8 RGB, with nodata in light grey."""
    grey = np.clip(band / (MAX_HEIGHT_M * CM_PER_M) * 255, 0, 255).astype(np.uint8)
    coloured = cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)[..., ::-1].copy()
    coloured[band == NODATA] = (225, 225, 225)
    return coloured


def _colour_buildings(photo: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Draw each building in a different colour on the faded photo, uncertain ones in grey."""
    faded = (photo.astype(np.float32) * 0.45 + 255 * 0.35).astype(np.uint8)
    # Multiples of the golden ratio: consecutive ids get very different hues.
    hues = (np.abs(labels).astype(np.float64) * 0.61803398875) % 1
    hsv = np.stack([hues * 179, np.full(labels.shape, 190), np.full(labels.shape, 235)], -1).astype(np.uint8)
    colours = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    colours[labels < 0] = UNCERTAIN
    return np.where((labels != 0)[..., None], colours, faded)


def _panel(picture: np.ndarray) -> np.ndarray:
    """Fit a picture into a square panel: average pixels to shrink it, repeat them to enlarge it."""
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
    """Write into the upper left corner of a panel, in place, on a dark box that suits any background."""
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.6
    (width, height), below = cv2.getTextSize(text, font, size, 1)
    left, base = 2 * MARGIN_PX, 2 * MARGIN_PX + height
    cv2.rectangle(panel, (MARGIN_PX, MARGIN_PX), (left + width + MARGIN_PX, base + below + MARGIN_PX), INK, cv2.FILLED)
    cv2.putText(panel, text, (left, base), font, size, PAPER, 1, cv2.LINE_AA)
    return panel
