"""Fill blocks without buildings: parks with paths and sports courts, ponds in meadows, fields."""

import numpy as np

from towns import yards
from towns.building_site import Site
from towns.layout import Block
from towns.plan import CONCRETE, FIELD, GRASS, PAVED, POOL, SOIL, WATER, vary
from towns.vegetation import fill_trees


def fill_open(site: Site, block: Block, use: str) -> None:
    """Draw a park with paths, a pond in a meadow, or a field."""
    rng, town, plan = site.rng, site.town, site.plan
    outline = site.warp.area(block.a, block.b)
    if use == "field":
        bare = rng.uniform() < 0.5
        tone = vary(rng, (150, 128, 100) if bare else town.dry, 0.08, 4)
        plan.paint(outline, FIELD if rng.uniform() < 0.7 else SOIL, tone, PAVED)
        return
    plan.paint(outline, GRASS, yards.lawn_colour(rng, town))
    cross = rng.uniform(0.3, 0.7) * (block.b[1] - block.b[0]) + block.b[0]
    if use == "park":
        plan.paint(
            site.warp.area(block.a, (cross - 1.2, cross + 1.2)), CONCRETE, vary(rng, (178, 168, 150), 0.05, 3), PAVED
        )
    if use == "pond" or rng.uniform() < 0.4:
        draw_irregular_patch(site, block, water=use == "pond")
    elif rng.uniform() < 0.6:
        frame = site.frame(sum(block.a) / 2, sum(block.b) / 2 + rng.uniform(-15, 15), 1.0)
        yards.sports_court(rng, plan, frame)
    fringe = site.warp.area(block.a, (block.b[0], block.b[0] + rng.uniform(8, 16)))
    fill_trees(rng, plan, fringe, rng.uniform(6, 9))


def draw_irregular_patch(site: Site, block: Block, water: bool) -> None:
    """Draw a pond or a patch of bare soil with a rounded, irregular outline."""
    rng, plan = site.rng, site.plan
    grid_a, grid_b = np.array(block.a), np.array(block.b)
    spot = np.array([rng.uniform(*block.a), rng.uniform(*block.b)]) * 0.5 + [grid_a.mean() * 0.5, grid_b.mean() * 0.5]
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = np.ones(40)
    for k in (2, 3, 5):
        radius += rng.uniform(0, 0.14) * np.sin(k * angles + rng.uniform(0, 2 * np.pi))
    radius *= 0.3 if water else 0.16
    by_a, by_b = np.ptp(grid_a) * radius * np.cos(angles), np.ptp(grid_b) * radius * np.sin(angles)
    if water:
        shore = site.warp(spot[0] + by_a * 1.08, spot[1] + by_b * 1.08)
        plan.paint(shore, SOIL, vary(rng, (120, 112, 86), 0.06, 3))
        plan.paint(site.warp(spot[0] + by_a, spot[1] + by_b), POOL, vary(rng, (66, 82, 80), 0.12, 5), WATER)
    else:
        soil = vary(rng, (160, 144, 116), 0.06, 4)
        plan.paint(site.warp(spot[0] + by_a, spot[1] + by_b), SOIL, soil, PAVED)
