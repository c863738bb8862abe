"""Generate shapes of buildings: houses, row houses, apartment blocks, courtyards and halls."""

import itertools
from dataclasses import dataclass

import numpy as np

from towns.plan import Building, Wing, vary
from towns.presets import Town


@dataclass(frozen=True)
class Frame:
    """A local frame at a plot: origin in metres, direction of the street, and on which side the plot lies."""

    origin: np.ndarray
    angle: float
    flip: bool

    def point(self, u: float, v: float) -> np.ndarray:
        """Return the point u along the street and v into the plot, in metres: (2,)."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        back = np.array([s, -c]) if self.flip else np.array([-s, c])
        return self.origin + u * np.array([c, s]) + v * back

    def area(self, u: tuple[float, float], v: tuple[float, float]) -> np.ndarray:
        """Return the corners (4, 2) of a rectangle, in metres."""
        return np.array(
            [self.point(u[0], v[0]), self.point(u[1], v[0]), self.point(u[1], v[1]), self.point(u[0], v[1])]
        )

    def wing(self, u: tuple[float, float], v: tuple[float, float], eave_m: float, pitch: float, roof: str) -> Wing:
        """Return a wing over a rectangle, with its ridge along the longer side."""
        x, y = self.point((u[0] + u[1]) / 2, (v[0] + v[1]) / 2)
        half_u, half_v = (u[1] - u[0]) / 2, (v[1] - v[0]) / 2
        if half_u >= half_v:
            return Wing(x, y, half_u, half_v, self.angle, eave_m, pitch, roof)
        return Wing(x, y, half_v, half_u, self.angle + np.pi / 2, eave_m, pitch, roof)


def house(rng: np.random.Generator, town: Town, frame: Frame, room: tuple[float, float], front_m: float) -> Building:
    """Make a detached house: a main wing, often a second one across it, sometimes a garage.

    Args:
        rng: Random generator.
        town: Settings for sizes and colours.
        frame: Origin at the middle of the plot's front.
        room: Available extents along the street and into the plot, m.
        front_m: Distance of the front wall from the street, m.
    """
    area = rng.uniform(*town.house_area_m2)
    aspect = rng.uniform(1.1, 1.8)
    length = min(np.sqrt(area * aspect), room[0])
    width = min(area / length, room[1])
    turned = rng.uniform() < 0.25 and length < room[1]
    if turned:
        length, width = width, length
    eave, pitch = rng.uniform(*town.house_eave_m), rng.uniform(*town.pitch)
    roof = "hip" if rng.uniform() < town.hipped else "gable"
    shift = rng.uniform(-0.5, 0.5) * max(room[0] - length, 0)
    left, right, near, far = shift - length / 2, shift + length / 2, front_m, front_m + width
    wings = [frame.wing((left, right), (near, far), eave, pitch, roof)]
    end = 1 if rng.uniform() < 0.5 else -1
    shape = rng.uniform()
    if shape < 0.55 and not turned:
        part = length * rng.uniform(0.35, 0.55)
        u = (right - part, right) if end > 0 else (left, left + part)
        out = rng.uniform(2.5, 5.5)
        v = (near - out, near + width * 0.6) if rng.uniform() < 0.5 else (far - width * 0.6, far + out)
        wings.append(frame.wing(u, v, eave - rng.uniform(0, 0.5), pitch, roof))
    elif shape < 0.75 and not turned:
        part = length * rng.uniform(0.3, 0.42)
        u = (shift - part / 2, shift + part / 2)
        wings.append(frame.wing(u, (far - width / 2, far + rng.uniform(2.5, 5)), eave, pitch, roof))
    if rng.uniform() < 0.3:
        u = (right - 1, right + rng.uniform(3.5, 6)) if end < 0 else (left - rng.uniform(3.5, 6), left + 1)
        v = (near + 0.5, near + rng.uniform(6, 7.5))
        wings.append(frame.wing(u, v, 2.6, pitch * 0.8, "flat" if rng.uniform() < 0.4 else roof))
    return Building(tuple(wings), roof_colour(rng, town, flat=False), wall_colour(rng, town))


def row(rng: np.random.Generator, town: Town, frame: Frame, units: int, front_m: float) -> list[Building]:
    """Make `units` touching row houses that differ in width, height and setback; `front_m` as for `house`."""
    unit = rng.uniform(6.5, 10)
    depth, eave, pitch = rng.uniform(9.5, 13), rng.uniform(4.5, 7.0), rng.uniform(*town.pitch) * 0.85
    alike = rng.uniform() < 0.25
    colour, flat = roof_colour(rng, town, flat=False), rng.uniform() < 0.15
    at, houses = -unit * units / 2, []
    for _ in range(units):
        width = unit * rng.uniform(0.92, 1.1)
        near = front_m + rng.choice([0.0, 0.0, 0.6, 1.2])
        x, y = frame.point(at + width / 2, near + depth / 2)
        height, rise = eave + rng.uniform(-0.8, 0.8), 0.0 if flat else pitch
        roof = "flat" if flat else "gable"
        wing = Wing(x, y, width / 2, depth / 2, frame.angle, height, rise, roof)
        tone = vary(rng, colour, 0.05, 2) if alike else roof_colour(rng, town, flat=flat)
        houses.append(Building((wing,), tone, wall_colour(rng, town)))
        at += width
    return houses


def slab(rng: np.random.Generator, town: Town, frame: Frame, room: tuple[float, float], front_m: float) -> Building:
    """Make an apartment or office block, shaped as an I, L, T, U or a closed ring; arguments as for `house`."""
    length, depth = room[0] * rng.uniform(0.7, 1.0), room[1] * rng.uniform(0.75, 1.0)
    thick = rng.uniform(10, 14)
    flat = rng.uniform() < 0.6
    roof = "flat" if flat else str(rng.choice(["gable", "hip", "mansard"]))
    eave, pitch = rng.uniform(7, 16), 0.0 if flat else rng.uniform(0.4, 0.65)
    left, right, near, far = -length / 2, length / 2, front_m, front_m + depth
    shapes = ["I", "L", "T", "U"] + (["O"] if min(length, depth) > 2 * thick + 8 else [])
    shape = str(rng.choice(shapes)) if depth > 1.6 * thick and length > 2.4 * thick else "I"
    spans = [((left, right), (near, near + thick))]
    end = (left, left + thick) if rng.uniform() < 0.5 else (right - thick, right)
    middle = rng.uniform(-0.2, 0.2) * length
    if shape == "L":
        spans.append((end, (near, far)))
    elif shape == "T":
        spans.append(((middle - thick / 2, middle + thick / 2), (near, far)))
    elif shape in ("U", "O"):
        spans += [((left, left + thick), (near, far)), ((right - thick, right), (near, far))]
        if shape == "O":
            spans.append(((left, right), (far - thick, far)))
    step = rng.uniform(-3, 0) if flat and rng.uniform() < 0.4 else 0.0
    wings = [frame.wing(u, v, eave + step * (i > 0), pitch, roof) for i, (u, v) in enumerate(spans)]
    return Building(tuple(wings), roof_colour(rng, town, flat=flat), wall_colour(rng, town))


def hall(rng: np.random.Generator, town: Town, frame: Frame, room: tuple[float, float], front_m: float) -> Building:
    """Make a large hall with a flat or shallow roof, sometimes with an annex; arguments as for `house`."""
    length, depth = room[0] * rng.uniform(0.7, 1.0), room[1] * rng.uniform(0.65, 1.0)
    eave = rng.uniform(6, 11)
    shallow = rng.uniform() < 0.3
    wings = [
        frame.wing(
            (-length / 2, length / 2), (front_m, front_m + depth), eave, 0.08 if shallow else 0.0,
            "gable" if shallow else "flat",
        )
    ]  # fmt: skip
    if rng.uniform() < 0.5:
        start = rng.uniform(-length / 2, 0)
        span = (start, start + rng.uniform(0.3, 0.5) * length)
        wings.append(
            frame.wing(span, (front_m - rng.uniform(4, 8), front_m + 1), eave * rng.uniform(0.5, 0.8), 0, "flat")
        )
    return Building(tuple(wings), roof_colour(rng, town, flat=True), wall_colour(rng, town))


def court(rng: np.random.Generator, town: Town, frame: Frame, room: tuple[float, float]) -> list[Building]:
    """Make houses wall to wall around a courtyard: front, back and one or both sides."""
    length, depth, thick = room[0], room[1], rng.uniform(10, 12.5)
    eave, pitch = rng.uniform(8, 13), rng.uniform(*town.pitch) * 0.8
    sides: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for v in ((0.0, thick), (depth - thick, depth)):
        count = max(round(length / rng.uniform(20, 30)), 1)
        edges = np.linspace(-length / 2, length / 2, count + 1)
        sides += [((float(lo), float(hi)), v) for lo, hi in itertools.pairwise(edges)]
    for end in rng.permutation(2)[: rng.integers(1, 3)]:
        u = (-length / 2, -length / 2 + thick) if end else (length / 2 - thick, length / 2)
        sides.append((u, (thick, depth - thick)))
    houses = []
    for u, v in sides:
        wing = frame.wing(u, v, eave + rng.uniform(-1.2, 1.2), pitch, "mansard" if rng.uniform() < 0.2 else "gable")
        houses.append(Building((wing,), roof_colour(rng, town, flat=False), wall_colour(rng, town)))
    return houses


def roof_colour(rng: np.random.Generator, town: Town, flat: bool) -> np.ndarray:
    """Draw a roof colour, (3,) sRGB 0..255, from the town's palette, with variation."""
    palette = town.flat_roofs if flat else town.house_roofs
    return vary(rng, palette[rng.integers(len(palette))], 0.07, 4)


def wall_colour(rng: np.random.Generator, town: Town) -> np.ndarray:
    """Draw a wall colour, (3,) sRGB 0..255, from the town's palette, with variation."""
    return vary(rng, town.walls[rng.integers(len(town.walls))], 0.08, 4)
