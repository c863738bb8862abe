"""Pixel F1 and IoU: the quality of the segmentation into building and ground, regardless of instances."""

from dataclasses import dataclass

from eaves.labels.overlaps import Overlaps
from eaves.metrics.challenge import find_uncertain


@dataclass(frozen=True)
class Pixels:
    """Numbers of building pixels, without those out of the map and those of uncertain buildings.

    Attributes:
        both: Building pixels in both truth and solution.
        truth: Building pixels in the truth.
        solution: Building pixels in the solution.
    """

    both: int = 0
    truth: int = 0
    solution: int = 0

    def __add__(self, other: "Pixels") -> "Pixels":
        return Pixels(self.both + other.both, self.truth + other.truth, self.solution + other.solution)

    @property
    def f_score(self) -> float | None:
        """F1 score, identical to Dice: 2 both / (truth + solution); None without a building pixel."""
        return 2 * self.both / (self.truth + self.solution) if self.truth + self.solution else None

    @property
    def iou(self) -> float | None:
        """Jaccard index: both / (truth + solution - both); None without a building pixel."""
        return self.both / (self.truth + self.solution - self.both) if self.truth + self.solution else None


def count_pixels(overlaps: Overlaps) -> Pixels:
    """Count the building pixels of a tile, regardless of matches."""
    unsure = find_uncertain(overlaps)
    ignored = unsure[overlaps.pair_truth]
    return Pixels(
        both=int(overlaps.pair_px[~ignored].sum()),
        truth=int(overlaps.truth_px[~unsure].sum()),
        solution=int(overlaps.solution_visible_px.sum() - overlaps.pair_px[ignored].sum()),
    )
