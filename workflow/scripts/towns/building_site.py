"""The shared state of the functions that fill blocks, and local coordinate frames at the street."""

from dataclasses import dataclass

import numpy as np

from towns.buildings import Frame
from towns.layout import Block, Warp
from towns.plan import Plan
from towns.presets import Town


@dataclass(frozen=True)
class Site:
    """What every function that fills a block needs: random generator, town settings, street grid and plan."""

    rng: np.random.Generator
    town: Town
    warp: Warp
    plan: Plan

    def frame(self, a: float, b: float, inward: float) -> Frame:
        """Return a frame along the street at a grid point; `inward` is the sign of `a` towards the plot's back."""
        by_a, by_b = self.warp.directions(a, b)
        left = by_b[0] * by_a[1] - by_b[1] * by_a[0] > 0
        return Frame(self.warp(a, b), float(np.arctan2(by_b[1], by_b[0])), bool(left != (inward > 0)))

    def scales(self, block: Block) -> tuple[float, float]:
        """Return the metres per grid metre at a block's centre, in the directions of a and b."""
        by_a, by_b = self.warp.directions(sum(block.a) / 2, sum(block.b) / 2)
        across = abs(by_a[0] * by_b[1] - by_a[1] * by_b[0]) / np.hypot(*by_b)
        return float(across), float(np.hypot(*by_b))
