"""Generate a scene: lay out a town, draw it, simulate the camera and the height models, and label its buildings."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from towns import labels, render, sensors
from towns.building_site import Site
from towns.canvas import ROOF, Canvas
from towns.ground import draw_ground, make_terrain
from towns.layout import Street, make_streets, make_warp, mark_streets
from towns.noise import fractal, generator, smooth
from towns.parcels import fill_block
from towns.plan import FREE, MARGIN_PX, POOL, RESOLUTION_M, Plan
from towns.presets import TOWNS, Town
from towns.roofs import draw_building
from towns.vegetation import draw_tree, make_tree, scatter_trees
from towns.yards import car

SMALLEST_PX = 128
"""Smallest side of a scene."""

GeneratorFactory = Callable[[str], np.random.Generator]
"""Maps a purpose, such as "trees", to an independent random generator."""


@dataclass(frozen=True)
class Scene:
    """One generated tile at 0.5 m per pixel.

    Attributes:
        rgb: (H, W, 3) uint8 orthophoto.
        dsm: (H, W) float32, surface elevation in metres, nodata -32767.
        dtm: (H, W) float32, ground elevation in metres, nodata -32767.
        truth: (H, W) int32 building ids 1..n, negative where uncertain, 0 elsewhere.
    """

    rgb: np.ndarray
    dsm: np.ndarray
    dtm: np.ndarray
    truth: np.ndarray


def make_scene(seed: int, size: int = 512, town: str | None = None, label_noise: bool = True) -> Scene:
    """Generate a scene that depends on nothing but the arguments.

    Args:
        seed: A non-negative integer.
        size: Side of the scene, px, at least 128.
        town: A key of TOWNS; None picks one by the seed.
        label_noise: Whether to simulate errors of manual labelling; image and heights do not depend on it.

    Raises:
        ValueError: If an argument is out of range.
    """
    if seed < 0 or size < SMALLEST_PX:
        raise ValueError(
            f"seed {seed}, size {size}: the seed must be at least 0 and the size at least {SMALLEST_PX} px"
        )
    if town is None:
        town = pick_town(seed)
    if town not in TOWNS:
        raise ValueError(f"unknown town {town!r}; known towns are {', '.join(TOWNS)}")
    settings, name = TOWNS[town], town
    side = size + 2 * MARGIN_PX

    def generator_for(purpose: str) -> np.random.Generator:
        return generator(seed, name, size, purpose)

    plan, streets = lay_out(generator_for, settings, side)
    canvas, material = draw(generator_for, settings, plan, streets)

    light = render.make_light(generator_for("light"), settings)
    shadow = render.cast_shadows(canvas.surface_m, light.sun, RESOLUTION_M)
    top, below = render.shade(canvas, light, shadow, RESOLUTION_M)
    height_m = canvas.surface_m - canvas.ground_m
    image = render.displace_by_height(top, below, height_m, light.lean)

    cut = (slice(MARGIN_PX, -MARGIN_PX), slice(MARGIN_PX, -MARGIN_PX))
    rgb = render.photograph(generator_for("camera"), image[cut])
    dsm = sensors.surface_model(
        generator_for("dsm"), canvas.surface_m[cut], shadow[cut], (material == POOL)[cut], RESOLUTION_M
    )
    roof_height_m = np.where(canvas.kind == ROOF, height_m, 0).astype(np.float32)
    dtm = sensors.ground_model(generator_for("dtm"), canvas.ground_m[cut], roof_height_m[cut])
    truth = labels.relabel(canvas.truth[cut])
    if label_noise:
        truth = labels.add_label_noise(generator_for("labels"), truth)
    return Scene(rgb, dsm, dtm, truth)


def pick_town(seed: int) -> str:
    """Return the name of the town that a seed picks."""
    names = tuple(TOWNS)
    return names[int(generator(seed, "", 0, "town").integers(len(names)))]


def lay_out(generator_for: GeneratorFactory, settings: Town, side: int) -> tuple[Plan, list[Street]]:
    """Plan streets, plots, buildings, trees and cars."""
    rng = generator_for("streets")
    warp = make_warp(rng, settings)
    streets, blocks = make_streets(rng, settings, warp, side)
    plan = Plan(side)
    mark_streets(plan, streets, settings)
    site = Site(generator_for("plots"), settings, warp, plan)
    for block in blocks:
        fill_block(site, block)
    rng = generator_for("trees")
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
                    if plan.occupancy_at(x, y) == FREE:
                        plan.trees.append(make_tree(rng, x, y, 0.9))
                if rng.uniform() < parked:
                    x, y = start + side * normal * (street.width / 2 - 1.1)
                    car(rng, plan, x, y, float(np.arctan2(step[1], step[0])) + rng.normal(0, 0.03))
            if since > spacing:
                since = 0.0


def draw(
    generator_for: GeneratorFactory, settings: Town, plan: Plan, streets: list[Street]
) -> tuple[Canvas, np.ndarray]:
    """Draw a plan: ground, buildings, small objects, and trees on top.

    Returns:
        The canvas, and (side, side) uint8 ground materials.
    """
    side = plan.side
    ground_m = make_terrain(generator_for("terrain"), settings, side)
    colour, material = draw_ground(generator_for("ground"), settings, plan, streets)
    rng = generator_for("texture")
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
    rng = generator_for("roofs")
    for number, building in enumerate(plan.buildings, start=1):
        signs = {"certain": number, "uncertain": -number, "unlabelled": 0}
        draw_building(rng, canvas, building, signs[building.status])
    for box in plan.boxes:
        canvas.add_object(box)
    for tree in plan.trees:
        draw_tree(canvas, tree)
    return canvas, material
