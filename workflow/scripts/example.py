"""Sets up an example: generated tiles in data/train and data/test, laid out as the challenge's, and a small recipe.

  python workflow/scripts/example.py

The recipe goes into config.yaml, where Snakemake and DVC see it, and comments stay; `git checkout config.yaml` takes it
back. Folders that hold other tiles are left alone, and so is config.yaml then.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

import scenes
from eaves.core import cli, config
from eaves.core.errors import InputError
from eaves.core.files import atomic_write
from eaves.tiles import discovery, generated

import yaml
from ruamel.yaml import YAML

RECIPES = config.ROOT / "workflow" / "recipes"
OVERLAYS = (RECIPES / "quickstart.yaml", RECIPES / "example.yaml")
TRUTH = ("GTI", "GTL")


def main(arguments: argparse.Namespace) -> None:
    """Generates the tiles, then changes the configuration."""
    recipe: dict[str, Any] = {}
    for path in OVERLAYS:
        recipe = config.merge(recipe, yaml.safe_load(path.read_text()))
    towns = recipe.pop("scenes")
    wanted = {name: generated.planned(arguments.data / name, name, towns[name]) for name in ("train", "test")}
    for name, tiles in wanted.items():
        check_no_others(arguments.data / name, set(tiles))
    for name, tiles in wanted.items():
        for tile in cli.progress(list(tiles), f"generate {name}"):
            generate(tile, arguments.data / name, towns)
    change(arguments.configuration, recipe)
    cli.LOG.info(
        "%d training and %d test tiles are in %s, and a small recipe in %s (`git diff` shows it, `git checkout` takes "
        "it back). Now run one of:\n  snakemake --cores all --resources gpu=4\n  dvc repro\n"
        "  snakemake --profile profiles/slurm      on a cluster",
        *(towns["train"], towns["test"], arguments.data, arguments.configuration),
    )


def check_no_others(folder: Path, names: set[str]) -> None:
    """Refuses a folder with tiles that are not the example's.

    Raises:
        InputError: with one of the tiles.
    """
    files = sorted(discovery.files_below(folder)) if folder.is_dir() else []
    tiles = {named[0] for path in files if (named := discovery.tile_and_kind(path.name))}
    if others := sorted(tiles - names):
        raise InputError(f"{folder}: holds other tiles, e.g. {others[0]}; move them away, or try the pipeline on them")


def generate(tile: str, folder: Path, towns: dict[str, Any]) -> None:
    """Generates a tile, its images in Inputs/ and its truth in GT/."""
    temporary = folder / ".generated"
    scenes.generate(tile, temporary, towns)
    for kind in discovery.KINDS:
        place = folder / ("GT" if kind in TRUTH else "Inputs")
        place.mkdir(exist_ok=True)
        name = f"{tile}_{kind}.tif"
        (temporary / name).replace(place / name)
    shutil.rmtree(temporary)


def change(file: Path, recipe: dict[str, Any]) -> None:
    """Changes values in a YAML file and nothing else: order and comments stay."""
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.representer.add_representer(
        type(None), lambda own, _: own.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    content = editor.load(file)
    lay_into(content, recipe)
    with atomic_write(file) as temporary, temporary.open("w") as stream:
        editor.dump(content, stream)


def lay_into(content: dict[str, Any], overlay: dict[str, Any]) -> None:
    """Replaces values in place, block by block."""
    for key, value in overlay.items():
        if isinstance(value, dict):
            lay_into(content[key], value)
        else:
            content[key] = value


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="where train/ and test/ are (%(default)s)")
    parser.add_argument("--configuration", type=Path, default=Path("config.yaml"), help="the file to change")
    cli.run(main, parser.parse_args())
