"""Furnish the ground around buildings: driveways, terraces, pools, sheds, fences, hedges, car parks and cars."""

import itertools

import numpy as np

from towns.buildings import Frame, roof_colour, wall_colour
from towns.plan import ASPHALT, CONCRETE, FREE, GRASS, PAVED, POOL, SOIL, Box, Building, Plan, Tree, vary
from towns.presets import Town

CAR_M = (4.4, 1.9)
CAR_COLOURS = (
    (225, 225, 224),
    (190, 192, 194),
    (140, 142, 145),
    (60, 61, 64),
    (40, 42, 46),
    (140, 45, 40),
    (60, 78, 120),
)
STALL_M = (2.6, 5.2)


def lawn_colour(rng: np.random.Generator, town: Town) -> np.ndarray:
    """Mix the town's green and dry grass in random proportion, as owners water differently."""
    dry = float(np.clip(rng.beta(1.2, 2.2), 0, 1))
    return vary(rng, np.array(town.lawn) * (1 - dry) + np.array(town.dry) * dry, 0.07, 4)


def car(rng: np.random.Generator, plan: Plan, x: float, y: float, angle: float) -> None:
    """Park a car with a dark windscreen."""
    tone = vary(rng, CAR_COLOURS[rng.choice(7, p=(0.28, 0.22, 0.17, 0.1, 0.1, 0.07, 0.06))], 0.05, 3)
    half = np.array(CAR_M) / 2 * rng.uniform(0.92, 1.15)
    c, s = np.cos(angle), np.sin(angle)

    def part(start: float, stop: float, narrow: float) -> np.ndarray:
        corners = np.array([[start, -1], [stop, -1], [stop, 1], [start, 1]]) * [half[0], half[1] * narrow]
        return corners @ np.array([[c, s], [-s, c]]) + [x, y]

    plan.boxes.append(Box(part(-1, 1, 1.0), 1.1, tone))
    plan.boxes.append(Box(part(0.15, 0.5, 0.85), 1.4, np.array([58, 64, 72], np.float32)))


def driveway(rng: np.random.Generator, plan: Plan, frame: Frame, width: float, wall_m: float) -> None:
    """Pave a driveway from the street to a house, often with a car."""
    u = rng.uniform(0.15, 0.4) * width * (1 if rng.uniform() < 0.5 else -1)
    half = rng.uniform(1.5, 2.9)
    tone = vary(rng, (178, 172, 162) if rng.uniform() < 0.6 else (138, 134, 130), 0.08, 4)
    plan.paint(frame.area((u - half, u + half), (-2.5, wall_m)), CONCRETE, tone)
    if rng.uniform() < 0.6:
        x, y = frame.point(u + rng.uniform(-0.4, 0.4), rng.uniform(1.5, 3.5))
        if plan.occupancy_at(x, y) == FREE:
            car(rng, plan, x, y, frame.angle + np.pi / 2)
    outline = frame.area((u - half, u + half), (0, min(wall_m, 5)))
    if plan.is_free(outline):
        plan.paint(outline, CONCRETE, tone, PAVED)


def back_yard(
    rng: np.random.Generator, town: Town, plan: Plan, frame: Frame, width: float, span: tuple[float, float], gap: float
) -> None:
    """Furnish the ground behind a house with terrace, beds, pool, shed or garage, each at random.

    Args:
        rng: Random generator.
        town: Settings for colours and probabilities.
        plan: Plan to add to.
        frame: Origin at the middle of the plot's front.
        width: Width of the plot along the street, m.
        span: Distances from the street at which the yard begins and ends, m.
        gap: Clearance of buildings, m; 0.6 of it applies to sheds and garages.
    """
    half = width / 2 - 1
    deep = max(span[1] - span[0], 1.0)
    terrace = frame.area((-half * 0.5, half * 0.5), (span[0] - 4, span[0] + rng.uniform(1, 4)))
    if rng.uniform() < 0.6:
        plan.paint(terrace, CONCRETE, vary(rng, (168, 158, 146), 0.1, 5))
    if rng.uniform() < 0.4:
        u, v = rng.uniform(-half, half * 0.3), span[0] + rng.uniform(0.2, 0.6) * deep
        size = rng.uniform(2, 7, 2)
        plan.paint(frame.area((u, u + size[0]), (v, v + size[1])), SOIL, vary(rng, (138, 114, 88), 0.1, 5))
    if rng.uniform() < town.pools and deep > 8:
        u, v, pool = rng.uniform(-half * 0.5, half * 0.4), span[0] + deep * 0.4, rng.uniform(3.5, 5)
        deck = frame.area((u - pool - 1.5, u + pool + 1.5), (v - 3.5, v + 3.5))
        if plan.is_free(deck):
            plan.paint(deck, CONCRETE, vary(rng, (190, 182, 168), 0.06, 4), PAVED)
            plan.paint(frame.area((u - pool, u + pool), (v - 2, v + 2)), POOL, vary(rng, (92, 160, 176), 0.08, 5))
    for _ in range(rng.integers(0, 3)):
        large = rng.uniform() < 0.2
        size = rng.uniform(5.5, 7, 2) if large else rng.uniform(2.2, 4.2, 2)
        u = rng.choice([-1, 1]) * max(half - size[0] / 2 - 0.5, 0)
        v = span[0] + rng.uniform(0.3, 0.9) * deep
        shape = "flat" if rng.uniform() < 0.5 else "gable"
        wing = frame.wing(
            (u - size[0] / 2, u + size[0] / 2), (v - size[1] / 2, v + size[1] / 2), 2.9 if large else 2.2, 0.3, shape
        )
        status = "certain" if large else "unlabelled"
        if large and rng.uniform() < 0.2:
            status = "uncertain"
        colour = roof_colour(rng, town, flat=shape == "flat")
        plan.build([Building((wing,), colour, wall_colour(rng, town), status)], gap * 0.6)


def boundary(
    rng: np.random.Generator, town: Town, plan: Plan, frame: Frame, width: float, span: tuple[float, float]
) -> None:
    """Build a fence or a hedge along the sides and the back of a plot, or neither; arguments as for `back_yard`."""
    half, kind = width / 2 - 0.3, rng.uniform()
    runs = (((-half, -half), span), ((half, half), span), ((-half, half), (span[1] - 0.3, span[1] - 0.3)))
    tone = vary(rng, (150, 132, 110), 0.12, 5)
    for us, vs in runs:
        if kind < town.fences:
            line = np.array([frame.point(us[0], vs[0]), frame.point(us[1], vs[1])])
            if (
                plan.occupancy_at(*line[1]) == FREE
                and plan.occupancy_at(*line[0]) == FREE
                and plan.occupancy_at(*line.mean(0)) == FREE
            ):
                outline = frame.area((us[0] - 0.15, us[1] + 0.15), (vs[0] - 0.15, vs[1] + 0.15))
                plan.boxes.append(Box(outline, 1.4, tone))
        elif kind < town.fences + town.hedges:
            steps = int(max(abs(us[1] - us[0]), abs(vs[1] - vs[0])) / 0.9)
            hedge = vary(rng, (72, 90, 54), 0.1, 3)
            for t in np.linspace(0, 1, max(steps, 2)):
                x, y = frame.point(us[0] + t * (us[1] - us[0]), vs[0] + t * (vs[1] - vs[0]))
                if plan.occupancy_at(x, y) == FREE:
                    plan.trees.append(Tree(x, y, rng.uniform(0.7, 1.1), rng.uniform(1.3, 2.1), hedge, False))


def gardens(
    rng: np.random.Generator, town: Town, plan: Plan, frame: Frame, half: float, span: tuple[float, float], count: int
) -> None:
    """Draw a strip of garden behind each of `count` houses of a row that extends `half` metres to either side."""
    edges = np.linspace(-half, half, count + 1)
    for low, high in itertools.pairwise(edges):
        if rng.uniform() < 0.8:
            area = frame.area((float(low), float(high)), (span[0] - 4, max(span[1], span[0])))
            plan.paint(area, GRASS, lawn_colour(rng, town))
        boundary(rng, town, plan, Frame(frame.point((low + high) / 2, 0), frame.angle, frame.flip), high - low, span)


def car_park(
    rng: np.random.Generator,
    town: Town,
    plan: Plan,
    frame: Frame,
    us: tuple[float, float],
    vs: tuple[float, float],
    full: float,
    tone: np.ndarray | None = None,
) -> None:
    """Mark rows of parking stalls where the yard is still free, and park cars in some of them.

    Args:
        rng: Random generator.
        town: Settings for colours.
        plan: Plan to add to.
        frame: Frame of `us` and `vs`.
        us: Extent along the street, m.
        vs: Extent into the plot, m.
        full: Probability that a free stretch becomes stalls.
        tone: Colour of the asphalt around the stalls; None draws a colour and adds an access lane.
    """
    ground = vary(rng, town.asphalt, 0.07, 3) if tone is None else tone
    white, busy = np.array([205, 204, 198], np.float32), rng.uniform(0.15, 0.7)
    wide, deep = STALL_M
    for v in np.arange(vs[0], vs[1] - 2 * deep - 6, 2 * deep + 6.5):
        stretch: list[float] = []
        for u in np.append(np.arange(us[0], us[1], wide), np.inf):
            free = np.isfinite(u) and plan.is_free(frame.area((u, u + wide), (v - 0.5, v + 2 * deep + 6)))
            if free:
                stretch.append(float(u))
            elif len(stretch) >= 4 and rng.uniform() < full:
                low, high = stretch[0], stretch[-1] + wide
                lane = next((u for u in stretch[::-1] if plan.is_free(frame.area((u, u + 4.5), (0.5, v - 0.6)))), None)
                if tone is None and lane is None:
                    stretch = []
                    continue
                if tone is None and lane is not None:
                    plan.paint(frame.area((lane, lane + 4.5), (-3, v)), ASPHALT, ground, PAVED)
                plan.paint(frame.area((low, high), (v - 0.5, v + 2 * deep + 6)), ASPHALT, ground, PAVED)
                for start in [*stretch, high]:
                    line = frame.area((start - 0.12, start + 0.12), (v, v + 2 * deep))
                    plan.paint(line, ASPHALT, 0.45 * white + 0.55 * ground)
                for start in stretch:
                    for row in (0.5, 1.5):
                        if rng.uniform() < busy:
                            x, y = frame.point(start + wide / 2, v + row * deep + rng.uniform(-0.3, 0.3))
                            car(rng, plan, x, y, frame.angle + np.pi / 2)
                stretch = []
            else:
                stretch = []


def sports_court(rng: np.random.Generator, plan: Plan, frame: Frame) -> None:
    """Draw a sports court with white lines, in colours that also occur on roofs."""
    half_u, half_v = rng.uniform(13, 18), rng.uniform(7, 10)
    palette = ((142, 92, 74), (84, 112, 84), (150, 146, 140), (84, 106, 128))
    ground = vary(rng, palette[rng.integers(4)], 0.06, 3)
    plan.paint(frame.area((-half_u - 2, half_u + 2), (-half_v - 2, half_v + 2)), ASPHALT, ground * 0.93, PAVED)
    lines = 0.6 * np.array([205, 204, 198], np.float32) + 0.4 * ground
    for u in ((-half_u, half_u), (-half_u, 0.0)):
        plan.paint(frame.area(u, (-half_v, half_v)), ASPHALT, lines)
        inner = (u[0] + 0.4, u[1] - 0.4)
        plan.paint(frame.area(inner, (-half_v + 0.4, half_v - 0.4)), ASPHALT, ground)
