"""The hands that build: numbers, settings, grid and plan in one place, and where a building may stand."""

from dataclasses import dataclass

import numpy as np

from towns.buildings import Frame
from towns.layout import Block, Warp
from towns.plan import Plan
from towns.towns import Town


@dataclass(frozen=True)
class Site:
    """What every filling needs: numbers, town, grid, plan."""

    rng: np.random.Generator
    town: Town
    warp: Warp
    plan: Plan

    def frame(self, a: float, b: float, inward: float) -> Frame:
        """Make a frame at a grid point, along the street; `inward` is the sign of a that leads into the plot."""
        by_a, by_b = self.warp.directions(a, b)
        left = by_b[0] * by_a[1] - by_b[1] * by_a[0] > 0
        return Frame(self.warp(a, b), float(np.arctan2(by_b[1], by_b[0])), bool(left != (inward > 0)))

    def scales(self, block: Block) -> tuple[float, float]:
        """Metres per grid metre at a block's centre, by a and by b."""
        by_a, by_b = self.warp.directions(sum(block.a) / 2, sum(block.b) / 2)
        across = abs(by_a[0] * by_b[1] - by_a[1] * by_b[0]) / np.hypot(*by_b)
        return float(across), float(np.hypot(*by_b))
