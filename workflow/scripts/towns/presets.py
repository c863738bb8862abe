"""Settings for each kind of town that a scene can show."""

from dataclasses import dataclass

Range = tuple[float, float]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Town:
    """Settings that determine how one kind of town looks.

    Lengths are in metres and colours in sRGB, 0..255. Pairs are the limits of a uniform distribution. `uses` holds the
    relative weight of each use of a block between streets, and `row_share` is the share of buildings that stand wall to
    wall. `hipped`, `empty_plots`, `pools`, `fences`, `hedges` and `street_trees` are probabilities. `pitch` (of roofs)
    and `slope` (of the terrain) are the rise per metre. Streets bend with the amplitudes `bend_m` and `wiggle_m` at the
    wavelengths `bend_length_m` and `wiggle_length_m`; `relief_m` is the standard deviation of the hills' height.
    `lawn` and `dry` are the colours of green and of dry grass.
    """

    block_depth_m: Range
    block_length_m: Range
    street_width_m: Range
    pavement_m: float
    bend_m: float
    bend_length_m: float
    wiggle_m: float
    wiggle_length_m: float
    uses: tuple[tuple[str, float], ...]
    plot_width_m: Range
    house_area_m2: Range
    house_eave_m: Range
    pitch: Range
    hipped: float
    setback_m: Range
    empty_plots: float
    row_share: float
    pools: float
    fences: float
    hedges: float
    trees_per_ha: float
    street_trees: float
    relief_m: float
    slope: Range
    house_roofs: tuple[Colour, ...]
    flat_roofs: tuple[Colour, ...]
    walls: tuple[Colour, ...]
    lawn: Colour
    dry: Colour
    asphalt: Colour
    sun_elevation_deg: Range


GREY_SHINGLES: tuple[Colour, ...] = (
    (132, 128, 124),
    (150, 144, 136),
    (112, 108, 106),
    (168, 158, 144),
    (138, 120, 104),
    (120, 102, 88),
    (92, 90, 90),
    (152, 128, 112),
    (176, 170, 162),
)
RED_TILES: tuple[Colour, ...] = (
    (156, 100, 78),
    (142, 88, 68),
    (160, 112, 90),
    (128, 84, 70),
    (140, 102, 86),
    (114, 86, 76),
    (126, 108, 96),
    (108, 100, 98),
    (92, 88, 90),
)
MEMBRANES: tuple[Colour, ...] = (
    (192, 192, 189),
    (178, 176, 171),
    (164, 160, 154),
    (144, 142, 138),
    (120, 118, 116),
    (178, 164, 146),
    (98, 98, 100),
    (150, 164, 172),
    (152, 124, 108),
)

TOWNS: dict[str, Town] = {
    "suburb": Town(
        block_depth_m=(72, 86),
        block_length_m=(110, 190),
        street_width_m=(8, 10),
        pavement_m=3.0,
        bend_m=26,
        bend_length_m=330,
        wiggle_m=2.5,
        wiggle_length_m=120,
        uses=(("houses", 6.5), ("slabs", 0.8), ("park", 0.9), ("pond", 0.35), ("wood", 0.4)),
        plot_width_m=(24, 34),
        house_area_m2=(110, 270),
        house_eave_m=(2.8, 5.6),
        pitch=(0.35, 0.6),
        hipped=0.5,
        setback_m=(7, 11),
        empty_plots=0.22,
        row_share=0.13,
        pools=0.16,
        fences=0.6,
        hedges=0.1,
        trees_per_ha=26,
        street_trees=0.45,
        relief_m=3.0,
        slope=(0.0, 0.04),
        house_roofs=GREY_SHINGLES,
        flat_roofs=MEMBRANES,
        walls=((205, 198, 186), (176, 164, 150), (150, 128, 112)),
        lawn=(104, 124, 74),
        dry=(152, 142, 100),
        asphalt=(132, 130, 128),
        sun_elevation_deg=(36, 62),
    ),
    "oldtown": Town(
        block_depth_m=(60, 82),
        block_length_m=(70, 130),
        street_width_m=(5, 7.5),
        pavement_m=1.5,
        bend_m=20,
        bend_length_m=260,
        wiggle_m=7,
        wiggle_length_m=95,
        uses=(
            ("houses", 5),
            ("court", 0.7),
            ("slabs", 0.7),
            ("park", 0.6),
            ("field", 0.7),
            ("wood", 0.3),
        ),
        plot_width_m=(20, 32),
        house_area_m2=(70, 170),
        house_eave_m=(3.2, 6.2),
        pitch=(0.6, 0.95),
        hipped=0.25,
        setback_m=(1.5, 6),
        empty_plots=0.3,
        row_share=0.15,
        pools=0.03,
        fences=0.15,
        hedges=0.6,
        trees_per_ha=32,
        street_trees=0.15,
        relief_m=5.0,
        slope=(0.01, 0.07),
        house_roofs=RED_TILES,
        flat_roofs=MEMBRANES[2:],
        walls=((222, 212, 192), (206, 186, 156), (190, 178, 166)),
        lawn=(92, 118, 66),
        dry=(140, 134, 88),
        asphalt=(124, 122, 122),
        sun_elevation_deg=(32, 56),
    ),
    "commercial": Town(
        block_depth_m=(78, 112),
        block_length_m=(110, 170),
        street_width_m=(9, 14),
        pavement_m=2.5,
        bend_m=9,
        bend_length_m=420,
        wiggle_m=0.5,
        wiggle_length_m=150,
        uses=(
            ("halls", 3.2),
            ("houses", 4.8),
            ("slabs", 2.0),
            ("park", 0.3),
            ("field", 0.5),
            ("pond", 0.2),
        ),
        plot_width_m=(17, 24),
        house_area_m2=(80, 190),
        house_eave_m=(2.8, 5.6),
        pitch=(0.3, 0.55),
        hipped=0.45,
        setback_m=(5, 9),
        empty_plots=0.2,
        row_share=0.15,
        pools=0.04,
        fences=0.4,
        hedges=0.1,
        trees_per_ha=18,
        street_trees=0.35,
        relief_m=2.0,
        slope=(0.0, 0.02),
        house_roofs=GREY_SHINGLES[:6] + RED_TILES[3:6],
        flat_roofs=MEMBRANES,
        walls=((200, 198, 194), (178, 172, 164), (160, 140, 124)),
        lawn=(110, 122, 80),
        dry=(160, 146, 110),
        asphalt=(118, 117, 118),
        sun_elevation_deg=(34, 60),
    ),
}
"""Settings by the name of the town. As on the challenge's tiles, there are about 35 buildings per 512 x 512 px, and one
in seven touches another."""
