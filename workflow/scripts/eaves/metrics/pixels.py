"""Pixel F1 and IoU: how well ground and building are told apart, whichever building it is."""

from dataclasses import dataclass

from eaves.labels.overlaps import Overlaps
from eaves.metrics.challenge import find_uncertain


@dataclass(frozen=True)
class Pixels:
    """Building pixels, out-of-map ones and those of uncertain buildings left out.

    Attributes:
        both: of truth and solution.
        truth: of the truth.
        solution: of the solution.
    """

    both: int = 0
    truth: int = 0
    solution: int = 0

    def __add__(self, other: "Pixels") -> "Pixels":
        return Pixels(self.both + other.both, self.truth + other.truth, self.solution + other.solution)

    @property
    def f_score(self) -> float | None:
        """F1, the same as Dice: 2 both / (truth + solution); None where there is no building pixel."""
        return 2 * self.both / (self.truth + self.solution) if self.truth + self.solution else None

    @property
    def iou(self) -> float | None:
        """Jaccard index: both / (truth + solution - both); None where there is no building pixel."""
        return self.both / (self.truth + self.solution - self.both) if self.truth + self.solution else None


def count_pixels(overlaps: Overlaps) -> Pixels:
    """Count the building pixels of a tile; any share of a building counts, whatever it is matched with."""
    unsure = find_uncertain(overlaps)
    ignored = unsure[overlaps.pair_truth]
    return Pixels(
        both=int(overlaps.pair_px[~ignored].sum()),
        truth=int(overlaps.truth_px[~unsure].sum()),
        solution=int(overlaps.solution_visible_px.sum() - overlaps.pair_px[ignored].sum()),
    )
