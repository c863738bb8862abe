"""Fill the blocks of a town with buildings: plots with houses and gardens, rows, courts, halls with car parks."""

import numpy as np

from towns import buildings, open_ground, yards
from towns.building_site import Site
from towns.buildings import Frame
from towns.layout import Block
from towns.plan import ASPHALT, CONCRETE, GRASS, vary
from towns.vegetation import fill_trees

CLEARANCE_M = 1.6
"""Free ground around a building, so that only row houses touch."""
TWO_SIDED_M = 62
"""Blocks deeper than this have larger buildings along both streets."""
ROW_CHANCE = 0.4
"""Probability per plot of starting a row while the town has fewer row houses than its share."""


def fill_block(site: Site, block: Block) -> None:
    """Choose a use for a block and build it."""
    names = [name for name, _ in site.town.uses]
    weights = np.array([weight for _, weight in site.town.uses])
    use = str(site.rng.choice(names, p=weights / weights.sum()))
    outline = site.warp.area(block.a, block.b)
    if use == "houses":
        fill_houses(site, block)
    elif use == "court":
        fill_court(site, block)
    elif use == "slabs":
        fill_slabs(site, block)
    elif use == "halls":
        fill_halls(site, block)
    elif use == "wood":
        site.plan.paint(outline, GRASS, vary(site.rng, site.town.lawn, 0.06, 3) * 0.85)
        fill_trees(site.rng, site.plan, outline, site.rng.uniform(4.5, 6.5))
    else:
        open_ground.fill_open(site, block, use)


def fill_houses(site: Site, block: Block) -> None:
    """Build two lines of plots, back to back, with a row of touching houses where the town still has too few."""
    rng, town, plan = site.rng, site.town, site.plan
    scale_a, scale_b = site.scales(block)
    depth = (block.a[1] - block.a[0]) / 2
    for edge, inward in ((block.a[0], 1.0), (block.a[1], -1.0)):
        b = block.b[0] + rng.uniform(0, 2)
        while b < block.b[1] - 9 / scale_b:
            lacking = plan.in_rows < town.row_share * (plan.labelled + 4)
            if lacking and rng.uniform() < ROW_CHANCE:
                units = int(rng.integers(3, 7))
                width = units * 9.0 / scale_b
                if b + width < block.b[1]:
                    row_plot(site, (edge, edge + inward * depth), (b, b + width), units, scale_b)
                    b += width + 3 / scale_b
                    continue
            width = min(rng.uniform(*town.plot_width_m) / scale_b, block.b[1] - b)
            grid_a = (edge, edge + inward * depth)
            lawn = yards.lawn_colour(rng, town)
            plan.paint(site.warp.area(grid_a, (b, b + width)), GRASS, lawn)
            if width * scale_b > 12 and rng.uniform() > town.empty_plots:
                house_plot(site, grid_a, (b, b + width), (scale_a, scale_b))
            b += width


def house_plot(site: Site, a: tuple[float, float], b: tuple[float, float], scales: tuple[float, float]) -> None:
    """Build one plot with house, driveway, back yard and boundary.

    Args:
        site: The site.
        a: Grid coordinates from the street to the back of the plot.
        b: Grid coordinates of its two sides.
        scales: Metres per grid metre in the directions of a and b, as `Site.scales` returns them.
    """
    rng, town, plan = site.rng, site.town, site.plan
    inward = float(np.sign(a[1] - a[0]))
    width, depth = (b[1] - b[0]) * scales[1], abs(a[1] - a[0]) * scales[0]
    frame = site.frame(a[0], sum(b) / 2, inward)
    frame = Frame(frame.origin, frame.angle + rng.normal(0, 0.03), frame.flip)
    setback = rng.uniform(*town.setback_m)
    room = (width - 5, max(depth * 0.45, 8.0))
    for _ in range(3):
        home = buildings.house(rng, town, frame, room, setback)
        if plan.build([home], CLEARANCE_M):
            break
        setback += 2.5
    else:
        return
    wall = (setback - 1, setback + 6)
    yards.driveway(rng, plan, frame, width, wall[1])
    yards.back_yard(rng, town, plan, frame, width, (setback + room[1] * 0.8, depth), CLEARANCE_M)
    yards.boundary(rng, town, plan, frame, width, (setback + 2, depth))


def row_plot(site: Site, a: tuple[float, float], b: tuple[float, float], units: int, scale_b: float) -> None:
    """Build a row of `units` touching houses with gardens; `a` and `b` as for `house_plot`."""
    rng, town, plan = site.rng, site.town, site.plan
    inward = float(np.sign(a[1] - a[0]))
    plan.paint(site.warp.area(a, b), GRASS, yards.lawn_colour(rng, town))
    frame = site.frame(a[0], sum(b) / 2, inward)
    for setback in (town.setback_m[0] * 0.7 + 1, town.setback_m[0] + 4):
        homes = buildings.row(rng, town, frame, units, setback)
        if plan.build(homes, CLEARANCE_M):
            half = units * 4.0
            tone = vary(rng, (150, 146, 140), 0.08, 3)
            plan.paint(frame.area((-half, half), (0.2, setback)), CONCRETE if rng.uniform() < 0.5 else GRASS, tone)
            yards.gardens(rng, town, plan, frame, half, (setback + 14, abs(a[1] - a[0])), units)
            return


def fill_court(site: Site, block: Block) -> None:
    """Build houses wall to wall around a courtyard, or detached houses where it does not fit."""
    rng, town, plan = site.rng, site.town, site.plan
    scale_a, scale_b = site.scales(block)
    depth, length = (block.a[1] - block.a[0]) * scale_a, (block.b[1] - block.b[0]) * scale_b
    yard = vary(rng, (148, 142, 132), 0.08, 3)
    plan.paint(site.warp.area(block.a, block.b), GRASS, yards.lawn_colour(rng, town))
    for shrink in (0.95, 0.85, 0.72):
        room = (min(length * shrink, 75), min(depth * shrink, 55))
        frame = site.frame(block.a[0], sum(block.b) / 2, 1.0)
        frame = Frame(frame.point(0, (depth - room[1]) / 2), frame.angle, frame.flip)
        if min(room) > 36:
            group = buildings.court(rng, town, frame, room)
            if plan.build(group, 1.0):
                inner = frame.area((-room[0] / 2, room[0] / 2), (0, room[1]))
                plan.paint(inner, CONCRETE, yard)
                green = frame.area((-room[0] * 0.2, room[0] * 0.2), (room[1] * 0.35, room[1] * 0.65))
                plan.paint(green, GRASS, yards.lawn_colour(rng, town))
                fill_trees(rng, plan, green, 8)
                return
    fill_houses(site, block)


def fill_slabs(site: Site, block: Block) -> None:
    """Build apartment or office blocks on lawns, with car parks."""
    rng, town, plan = site.rng, site.town, site.plan
    scale_a, scale_b = site.scales(block)
    depth, length = (block.a[1] - block.a[0]) * scale_a, (block.b[1] - block.b[0]) * scale_b
    plan.paint(site.warp.area(block.a, block.b), GRASS, yards.lawn_colour(rng, town))
    sides = [(block.a[0], 1.0), (block.a[1], -1.0)] if depth > TWO_SIDED_M else [(block.a[0], 1.0)]
    for edge, inward in sides:
        count = max(int(length / rng.uniform(38, 62)), 1)
        span = length / count
        for index in range(count):
            b = block.b[0] + (index + 0.5) * (block.b[1] - block.b[0]) / count
            frame = site.frame(edge, b, inward)
            room = (span - 8, min(depth / len(sides) - 10, 48))
            for shrink in (1.0, 0.85, 0.7):
                if plan.build([buildings.slab(rng, town, frame, (room[0] * shrink, room[1] * shrink), 6)], CLEARANCE_M):
                    break
            yards.car_park(rng, town, plan, frame, (2 - span / 2, span / 2 - 2), (8, depth / len(sides) - 2), 0.6)


def fill_halls(site: Site, block: Block) -> None:
    """Build halls with loading yards and car parks."""
    rng, town, plan = site.rng, site.town, site.plan
    scale_a, scale_b = site.scales(block)
    depth = (block.a[1] - block.a[0]) * scale_a
    lot = vary(rng, town.asphalt if rng.uniform() < 0.75 else (168, 160, 148), 0.07, 3)
    plan.paint(site.warp.area(block.a, block.b), GRASS, yards.lawn_colour(rng, town))
    inner = site.warp.area((block.a[0] + 2.5, block.a[1] - 2.5), (block.b[0] + 2.5, block.b[1] - 2.5))
    plan.paint(inner, ASPHALT, lot)
    b = block.b[0] + 5 / scale_b
    while b < block.b[1] - 25 / scale_b:
        width = min(rng.uniform(38, 100) / scale_b, block.b[1] - b)
        frame = site.frame(block.a[0], b + width / 2, 1.0)
        front = rng.choice([8.0, depth * 0.3])
        for shrink in (1.0, 0.85, 0.7):
            room = ((width * scale_b - 6) * shrink, (depth - front - 8) * shrink)
            if min(room) > 12 and plan.build([buildings.hall(rng, town, frame, room, front)], 2.0):
                break
        half = width * scale_b / 2 - 3
        yards.car_park(rng, town, plan, frame, (-half, half), (4, depth - 4), 0.95, lot)
        b += width + rng.uniform(2, 10) / scale_b
