"""Set up an example: generated tiles in data/train and data/test, laid out like the challenge's, and a small recipe.

  python workflow/scripts/example.py

The recipe is written into config.yaml, where Snakemake and DVC see it; comments are kept, and
`git checkout config.yaml` undoes it. If a folder holds other tiles, nothing is changed.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from eaves.core import cli, config
from eaves.core.errors import InputError
from eaves.core.files import atomic_write
from eaves.raster.folders import find_rasters
from eaves.tiles import generated
from eaves.tiles.discovery import TileFiles
from eaves.tiles.generate import generate
from eaves.tiles.names import RAW_SUFFIXES

from ruamel.yaml import YAML

RECIPES = config.ROOT / "workflow" / "recipes"
OVERLAYS = (RECIPES / "quickstart.yaml", RECIPES / "example.yaml")
IMAGE_FOLDER, TRUTH_FOLDER = "Inputs", "GT"
"""The challenge's layout within data/train and data/test."""


def main(arguments: argparse.Namespace) -> None:
    """Generate the tiles, then change the configuration."""
    recipe: dict[str, Any] = {}
    for path in OVERLAYS:
        recipe = config.merge(recipe, config.read_file(path))
    scenes = recipe.pop("scenes")
    planned = {name: list(generated.plan_tiles(arguments.data, name, scenes[name])) for name in ("train", "test")}
    for name, tiles in planned.items():
        check_no_others(arguments.data / name, set(tiles))
    for name, tiles in planned.items():
        for tile in cli.progress(tiles, f"generate {name}"):
            generate(tile, challenge_layout(arguments.data / name, tile), scenes["seed"], scenes["size"])
    edit_yaml(arguments.configuration, recipe)
    cli.LOG.info(
        "%d training and %d test tiles are in %s, and a small recipe is in %s (`git diff` shows it, `git checkout` "
        "undoes it). Now run one of:\n  snakemake --cores all --resources gpu=4\n  dvc repro\n"
        "  snakemake --profile profiles/slurm      on a cluster",
        *(scenes["train"], scenes["test"], arguments.data, arguments.configuration),
    )


def check_no_others(folder: Path, names: set[str]) -> None:
    """Check that a folder holds no tiles except the example's.

    Raises:
        InputError: If it does; the message names one of them.
    """
    tiles = {raster.tile for raster in find_rasters(folder, RAW_SUFFIXES)}
    if others := sorted(tiles - names):
        raise InputError(f"{folder}: contains other tiles, e.g. {others[0]}; move them, or run the pipeline on them")


def challenge_layout(folder: Path, tile: str) -> TileFiles:
    """Return the paths of a tile's raw files in the challenge's layout: images in Inputs/, truth in GT/."""
    images, truth = (generated.files_in(folder / name, tile) for name in (IMAGE_FOLDER, TRUTH_FOLDER))
    return replace(images, gti=truth.gti, gtl=truth.gtl)


def edit_yaml(file: Path, recipe: dict[str, Any]) -> None:
    """Replace values in a YAML file, keeping order and comments.

    Raises:
        InputError: The file is not a configuration.
    """
    config.check(config.read_file(file))
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.representer.add_representer(
        type(None), lambda own, _: own.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    content = editor.load(file)
    update_nested(content, recipe)
    with atomic_write(file) as temporary, temporary.open("w") as stream:
        editor.dump(content, stream)


def update_nested(content: dict[str, Any], overlay: dict[str, Any]) -> None:
    """Replace values in place, block by block."""
    for key, value in overlay.items():
        if isinstance(value, dict):
            update_nested(content[key], value)
        else:
            content[key] = value


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="folder of train/ and test/ (default: %(default)s)"
    )
    parser.add_argument(
        "--configuration", type=Path, default=Path("config.yaml"), help="file to change (default: %(default)s)"
    )
    cli.run(main, parser.parse_args())
