"""Place trees and draw their crowns."""

import numpy as np

from towns.canvas import CROWN, Canvas
from towns.plan import FREE, RESOLUTION_M, Plan, Tree, to_px, vary

FOLIAGE = ((72, 92, 52), (60, 82, 48), (88, 102, 58), (56, 74, 50), (98, 104, 64), (82, 86, 56))
NEEDLES = ((48, 66, 48), (54, 70, 54))


def make_tree(rng: np.random.Generator, x: float, y: float, scale: float = 1.0) -> Tree:
    """Make a tree of random kind and size; most are as high as a house, some much higher."""
    conifer = bool(rng.uniform() < 0.2)
    radius = float(np.clip(rng.lognormal(np.log(2.7), 0.38), 1.0, 6.5)) * scale
    height = radius * rng.uniform(2.6, 4.2) if conifer else radius * rng.uniform(1.7, 2.9) + 1
    palette = NEEDLES if conifer else FOLIAGE
    colour = vary(rng, palette[rng.integers(len(palette))], 0.1, 3)
    return Tree(x, y, radius * (0.75 if conifer else 1.0), min(float(height), 19.0), colour, conifer)


def scatter_trees(rng: np.random.Generator, plan: Plan, density: np.ndarray, per_ha: float) -> None:
    """Scatter single trees and small clumps over free ground.

    Args:
        rng: Random generator.
        plan: Plan to add the trees to.
        density: (side, side) float32 noise of about unit standard deviation; trees are denser where it is high.
        per_ha: Nominal number of trees per hectare of free ground; at mean density, clumps make it about 1.5 times as
            many.
    """
    half = plan.side * RESOLUTION_M / 2
    count = int(per_ha * (2 * half / 100) ** 2 * 1.6)
    for x, y, chance in rng.uniform(-1, 1, (count, 3)) * [half, half, 1]:
        column, row = np.clip(np.round(to_px(np.array([x, y]), plan.side)).astype(int), 0, plan.side - 1)
        if plan.occupancy[row, column] == FREE and chance < 0.35 * density[row, column]:
            plan.trees.append(make_tree(rng, x, y))
            for _ in range(rng.poisson(0.9)):
                dx, dy = rng.normal(0, 4.5, 2)
                if plan.occupancy_at(x + dx, y + dy) == FREE:
                    plan.trees.append(make_tree(rng, x + dx, y + dy, 0.9))


def fill_trees(rng: np.random.Generator, plan: Plan, outline: np.ndarray, spacing_m: float) -> None:
    """Fill an outline (N, 2) in metres with trees."""
    low, high = outline.min(0), outline.max(0)
    limit = plan.side * RESOLUTION_M / 2 + 8
    low, high = np.maximum(low, -limit), np.minimum(high, limit)
    path = outline[::2]
    for x0 in np.arange(low[0], high[0], spacing_m):
        for y0 in np.arange(low[1], high[1], spacing_m):
            x, y = rng.normal([x0, y0], spacing_m * 0.35)
            if plan.occupancy_at(x, y) == FREE and contains(path, x, y) and rng.uniform() < 0.9:
                plan.trees.append(make_tree(rng, x, y, 1.15))


def contains(outline: np.ndarray, x: float, y: float) -> bool:
    """Return whether a polygon (N, 2) contains a point, by counting crossings to its right."""
    x0, y0 = outline.T
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    crosses = (y0 > y) != (y1 > y)
    rise = np.where(crosses, y1 - y0, 1.0)
    return bool(np.count_nonzero(crosses & (x < x0 + (y - y0) * (x1 - x0) / rise)) % 2)


def draw_tree(canvas: Canvas, tree: Tree) -> None:
    """Draw a crown with a ragged edge, lumps, and darker gaps between them."""
    centre = to_px(np.array([tree.x, tree.y]), canvas.side)
    reach = tree.radius / RESOLUTION_M * 1.35
    window = canvas.window(centre - reach, centre + reach)
    if window is None:
        return
    x, y = canvas.metres(window)
    lump, grain = canvas.lump[window], canvas.grain[window]
    ratio = np.hypot(x - tree.x, y - tree.y) / (tree.radius * (1 + 0.22 * np.clip(lump, -2, 1.5)))
    dome = 1 - 0.8 * ratio if tree.conifer else 0.3 + 0.7 * np.sqrt(np.clip(1 - ratio**2, 0, None))
    top = tree.height * (dome * (1 + 0.10 * lump)) + 0.15 * grain
    base = float(canvas.ground_m[window][x.shape[0] // 2, x.shape[1] // 2])
    inside = (ratio < 1) & (base + top > canvas.surface_m[window])
    if not inside.any():
        return
    slope_y, slope_x = np.gradient(top, RESOLUTION_M)
    depth = np.clip(0.72 + 0.36 * dome + 0.07 * lump + 0.06 * grain, 0.4, 1.4)
    canvas.surface_m[window][inside] = (base + top)[inside]
    canvas.slope_x[window][inside] = np.clip(slope_x, -1.5, 1.5)[inside] * 0.55
    canvas.slope_y[window][inside] = np.clip(slope_y, -1.5, 1.5)[inside] * 0.55
    canvas.colour[window][inside] = (tree.colour * depth[..., None])[inside]
    canvas.kind[window][inside] = CROWN
