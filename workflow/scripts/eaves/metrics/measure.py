"""Measure one tile: reduce its rasters to the few numbers from which all figures are computed."""

from dataclasses import dataclass

import numpy as np

from eaves.labels.overlaps import Overlaps
from eaves.metrics.boundary import boundary_iou
from eaves.metrics.challenge import compare
from eaves.metrics.confidence import mean_probability
from eaves.metrics.matching import Matches, match
from eaves.metrics.merging import count_merged, count_split
from eaves.metrics.pixels import Pixels, count_pixels


@dataclass(frozen=True)
class TileMeasures:
    """Measurements of a tile, or of several pooled tiles.

    Attributes:
        matches: Truth buildings and predictions.
        pixels: Numbers of building pixels.
        merged: Number of predictions that merge truth buildings.
        split: Number of truth buildings that are split.
    """

    matches: Matches
    pixels: Pixels
    merged: int
    split: int


def measure_tile(
    truth: np.ndarray,
    solution: np.ndarray,
    out_of_map: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    pixel_m: float = 0.5,
    boundary_m: float = 2.0,
) -> tuple[TileMeasures, Overlaps]:
    """Measure a tile.

    Args:
        truth: (H, W) integer instance ids; 0 is ground, a negative id an uncertain building.
        solution: (H, W) integer instance ids, 0 is ground.
        out_of_map: (H, W) bool, True where there is no height data; None if there is data everywhere.
        probability: (H, W) floating point, probability of a building, 0..1; None if unknown.
        pixel_m: Side of a pixel, metres.
        boundary_m: Width of the boundary region for boundary IoU, metres; rounded to at least one pixel.

    Returns:
        The measurements, and the overlaps, from which the challenge's score can be computed.

    Raises:
        InputError: The rasters differ in shape or are not labels, or a building has no probability.
    """
    overlaps = compare(truth, solution, out_of_map)
    confidence = np.full(overlaps.solution_ids.size, np.nan)
    if probability is not None:
        confidence = mean_probability(solution, probability)
    matches, matched = match(overlaps, confidence, pixel_m**2)
    pairs = np.flatnonzero(matched)
    if pairs.size:
        near = boundary_iou(truth, solution, overlaps, pairs, boundary_px(boundary_m, pixel_m), out_of_map)
        matches.boundary_iou[overlaps.pair_solution[pairs]] = near
    return TileMeasures(matches, count_pixels(overlaps), count_merged(overlaps), count_split(overlaps)), overlaps


def boundary_px(boundary_m: float, pixel_m: float) -> int:
    """Convert a distance on the ground to pixels, at least one."""
    return max(1, round(boundary_m / pixel_m))
