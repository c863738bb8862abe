"""The rasters that a town is drawn on, and methods that draw small objects."""

from dataclasses import dataclass

import cv2
import numpy as np

from towns.plan import RESOLUTION_M, SUBPIXEL_BITS, Box, Wing, rectangle, to_fixed_point, to_px

GROUND, ROOF, CROWN, OBJECT = range(4)

Window = tuple[slice, slice]


@dataclass
class Canvas:
    """Rasters of the scene with its margin, all (side, side).

    Attributes:
        ground_m: float32, ground elevation, metres.
        surface_m: float32, surface elevation, metres.
        slope_x, slope_y: float32, rise of the surface per metre to the east and to the south.
        colour: (side, side, 3) float32, unlit sRGB of the top surface, 0..255.
        under: (side, side, 3) float32, likewise of walls and ground, which relief displacement can reveal.
        kind: uint8, GROUND, ROOF, CROWN or OBJECT.
        truth: int32, building ids, also under trees.
        stain, lump, grain: float32 noise of about unit standard deviation; wavelengths are 6 m, 2.5 m and one pixel.
    """

    ground_m: np.ndarray
    surface_m: np.ndarray
    slope_x: np.ndarray
    slope_y: np.ndarray
    colour: np.ndarray
    under: np.ndarray
    kind: np.ndarray
    truth: np.ndarray
    stain: np.ndarray
    lump: np.ndarray
    grain: np.ndarray

    @property
    def side(self) -> int:
        """Side of the rasters, px."""
        return self.ground_m.shape[0]

    def window(self, low_px: np.ndarray, high_px: np.ndarray) -> Window | None:
        """Clip a box of pixel coordinates (x, y) to the rasters; return None if nothing is left."""
        low = np.clip(np.floor(low_px).astype(int), 0, self.side)
        high = np.clip(np.ceil(high_px).astype(int) + 1, 0, self.side)
        if (high - low < 2).any():
            return None
        return slice(low[1], high[1]), slice(low[0], high[0])

    def metres(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y of the pixel centres in a window, each (rows, columns), metres from the scene's centre."""
        rows, columns = np.mgrid[window]
        centre = (self.side - 1) / 2
        return (columns - centre) * RESOLUTION_M, (rows - centre) * RESOLUTION_M

    def _patch(
        self, wing: Wing, at: tuple[float, float] | np.ndarray, half: np.ndarray
    ) -> tuple[Window, np.ndarray] | None:
        """Return the roof pixels of a rectangle in a wing's local coordinates, as a window and a mask."""
        c, s = np.cos(wing.angle), np.sin(wing.angle)
        x, y = wing.x + c * at[0] - s * at[1], wing.y + s * at[0] + c * at[1]
        corners = rectangle(x, y, half[0], half[1], wing.angle)
        window = self.window(*[f(to_px(corners, self.side), 0) for f in (np.min, np.max)])
        if window is None:
            return None
        mx, my = self.metres(window)
        u, v = c * (mx - x) + s * (my - y), -s * (mx - x) + c * (my - y)
        return window, (np.abs(u) <= half[0]) & (np.abs(v) <= half[1]) & (self.kind[window] == ROOF)

    def add_box(
        self, wing: Wing, at: tuple[float, float], half: np.ndarray, roof_m: float, rise_m: float, colour: np.ndarray
    ) -> None:
        """Draw a box on a roof; centre `at` and half extents `half` in the wing's local coordinates, metres."""
        patch = self._patch(wing, at, half)
        if patch is not None:
            window, inside = patch
            self.surface_m[window][inside] = roof_m + rise_m
            self.colour[window][inside] = colour
            self.slope_x[window][inside] = 0
            self.slope_y[window][inside] = 0

    def tint(self, wing: Wing, at: tuple[float, float], half: np.ndarray, colour: np.ndarray) -> None:
        """Colour a rectangle of a roof without changing its height."""
        patch = self._patch(wing, at, half)
        if patch is not None:
            window, inside = patch
            self.colour[window][inside] = colour

    def add_object(self, box: Box) -> None:
        """Draw a car or a fence on the ground, never over a building."""
        points = to_px(box.outline, self.side)
        window = self.window(points.min(0) - 1, points.max(0) + 1)
        if window is None:
            return
        mask = np.zeros((window[0].stop - window[0].start, window[1].stop - window[1].start), np.uint8)
        offset = np.array([window[1].start, window[0].start]) << SUBPIXEL_BITS
        cv2.fillPoly(mask, [to_fixed_point(box.outline, self.side) - offset.astype(np.int32)], 1, shift=SUBPIXEL_BITS)
        inside = (mask > 0) & (self.kind[window] != ROOF)
        self.surface_m[window][inside] = self.ground_m[window][inside] + box.height
        self.colour[window][inside] = box.colour
        self.kind[window][inside] = OBJECT
