"""Make a scene: lay out a town, draw it, photograph it, measure its heights and label its buildings."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from towns import labels, render, sensors
from towns.canvas import ROOF, Canvas
from towns.ground import draw_ground, make_terrain
from towns.layout import Street, make_streets, make_warp, take_streets
from towns.noise import fractal, generator, smooth
from towns.parcels import fill_block
from towns.plan import FREE, MARGIN_PX, POOL, RESOLUTION_M, Plan
from towns.roofs import draw_building
from towns.site import Site
from towns.towns import TOWNS, Town
from towns.vegetation import draw_tree, make_tree, scatter_trees
from towns.yards import car

SMALLEST_PX = 128

Numbers = Callable[[str], np.random.Generator]


@dataclass(frozen=True)
class Scene:
    """One generated tile at 0.5 m per pixel.

    Attributes:
        rgb: (H, W, 3) uint8 orthophoto.
        dsm: (H, W) float32, surface, metres, -32767 where unknown.
        dtm: (H, W) float32, bare ground, metres, -32767 where unknown.
        truth: (H, W) int32 building ids 1..n, negative where uncertain, 0 elsewhere.
    """

    rgb: np.ndarray
    dsm: np.ndarray
    dtm: np.ndarray
    truth: np.ndarray


def make_scene(seed: int, size: int = 512, town: str | None = None, label_noise: bool = True) -> Scene:
    """Make a scene that depends on its arguments only.

    Args:
        seed: Any integer from 0.
        size: Side of the scene, px, at least 128.
        town: A name in TOWNS; None lets the seed choose.
        label_noise: Whether the labels have a labeller's faults; picture and heights are the same either way.

    Raises:
        ValueError: If an argument is out of range.
    """
    if seed < 0 or size < SMALLEST_PX:
        raise ValueError(f"seed {seed} and size {size}: need a seed from 0 and a size from {SMALLEST_PX} px")
    if town is None:
        town = pick_town(seed)
    if town not in TOWNS:
        raise ValueError(f"town {town!r} is not one of {', '.join(TOWNS)}")
    settings, name = TOWNS[town], town
    side = size + 2 * MARGIN_PX

    def numbers(purpose: str) -> np.random.Generator:
        return generator(seed, name, size, purpose)

    plan, streets = lay_out(numbers, settings, side)
    canvas, material = draw(numbers, settings, plan, streets)

    light = render.make_light(numbers("light"), settings)
    shadow = render.cast_shadows(canvas.surface_m, light.sun, RESOLUTION_M)
    top, below = render.shade(canvas, light, shadow, RESOLUTION_M)
    height_m = canvas.surface_m - canvas.ground_m
    image = render.lean(top, below, height_m, light.lean)

    cut = (slice(MARGIN_PX, -MARGIN_PX), slice(MARGIN_PX, -MARGIN_PX))
    rgb = render.photograph(numbers("camera"), image[cut])
    dsm = sensors.surface_model(
        numbers("dsm"), canvas.surface_m[cut], shadow[cut], (material == POOL)[cut], RESOLUTION_M
    )
    roof_height_m = np.where(canvas.kind == ROOF, height_m, 0).astype(np.float32)
    dtm = sensors.ground_model(numbers("dtm"), canvas.ground_m[cut], roof_height_m[cut])
    truth = labels.tidy(canvas.truth[cut])
    if label_noise:
        truth = labels.spoil(numbers("labels"), truth)
    return Scene(rgb, dsm, dtm, truth)


def pick_town(seed: int) -> str:
    """Name the town that a seed gives where none is asked for."""
    names = tuple(TOWNS)
    return names[int(generator(seed, "", 0, "town").integers(len(names)))]


def lay_out(numbers: Numbers, settings: Town, side: int) -> tuple[Plan, list[Street]]:
    """Plan streets, plots, buildings, trees and cars."""
    rng = numbers("streets")
    warp = make_warp(rng, settings)
    streets, blocks = make_streets(rng, settings, warp, side)
    plan = Plan(side)
    take_streets(plan, streets, settings)
    site = Site(numbers("plots"), settings, warp, plan)
    for block in blocks:
        fill_block(site, block)
    rng = numbers("trees")
    line_streets(rng, settings, plan, streets)
    scatter_trees(rng, plan, fractal(rng, side, 90, 3), settings.trees_per_ha)
    return plan, streets


def line_streets(rng: np.random.Generator, settings: Town, plan: Plan, streets: list[Street]) -> None:
    """Plant trees along streets and park cars at their kerbs."""
    for street in streets:
        planted, parked = rng.uniform() < settings.street_trees, rng.uniform(0.02, 0.2)
        spacing = rng.uniform(8, 14)
        since = 0.0
        for start, stop in zip(street.line, street.line[1:], strict=False):
            step = stop - start
            length = float(np.hypot(*step))
            normal = np.array([-step[1], step[0]]) / length
            since += length
            for side in (-1, 1):
                if planted and since > spacing:
                    x, y = (
                        start + side * normal * (street.width / 2 + 1.6 + settings.pavement_m) + rng.normal(0, 0.6, 2)
                    )
                    if plan.at(x, y) == FREE:
                        plan.trees.append(make_tree(rng, x, y, 0.9))
                if rng.uniform() < parked:
                    x, y = start + side * normal * (street.width / 2 - 1.1)
                    car(rng, plan, x, y, float(np.arctan2(step[1], step[0])) + rng.normal(0, 0.03))
            if since > spacing:
                since = 0.0


def draw(numbers: Numbers, settings: Town, plan: Plan, streets: list[Street]) -> tuple[Canvas, np.ndarray]:
    """Draw a plan: ground, things, buildings, and trees over them.

    Returns:
        The canvas, and (side, side) uint8 ground materials.
    """
    side = plan.side
    ground_m = make_terrain(numbers("terrain"), settings, side)
    colour, material = draw_ground(numbers("ground"), settings, plan, streets)
    rng = numbers("texture")
    slope_y, slope_x = np.gradient(ground_m, RESOLUTION_M)
    canvas = Canvas(
        ground_m=ground_m,
        surface_m=ground_m.copy(),
        slope_x=slope_x.astype(np.float32),
        slope_y=slope_y.astype(np.float32),
        colour=colour,
        under=colour.copy(),
        kind=np.zeros((side, side), np.uint8),
        truth=np.zeros((side, side), np.int32),
        stain=fractal(rng, side, 12, 3),
        lump=fractal(rng, side, 5, 2),
        grain=smooth(rng, side, 1),
    )
    rng = numbers("roofs")
    for number, building in enumerate(plan.buildings, start=1):
        signs = {"certain": number, "uncertain": -number, "unlabelled": 0}
        draw_building(rng, canvas, building, signs[building.status])
    for box in plan.boxes:
        canvas.add_thing(box)
    for tree in plan.trees:
        draw_tree(canvas, tree)
    return canvas, material
