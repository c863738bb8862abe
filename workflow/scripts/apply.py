"""Applies trained models to new tiles, in a folder of its own; nothing is trained, and no other results are touched.

  python workflow/scripts/apply.py --models results/models --tiles path/to/harbour
  python workflow/scripts/apply.py --models results/models --tiles path/to/harbour --out applied/harbour-again
         --config outline.formats=[gpkg,geojson] outline.regularize_m=1 outline.min_confidence=0.7

The results go to applied/<name of the tiles' folder>/results, or to results/ in the folder that --out names. A folder
that holds the results of other tiles or models is refused. Run again with the same tiles, only what has changed is
computed. Options that are not listed below go to Snakemake, e.g. --resources gpu=2, or -n to see what would be done.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from eaves.core import cli, config
from eaves.core.errors import InputError
from eaves.core.files import atomic_write
from eaves.models.folder import find_models
from eaves.tiles import discovery

import yaml

APPLIED = Path("applied")
SETTINGS = "application.yaml"  # what the results in a folder are of, and the settings given
SUMMARY = Path(__file__).with_name("summary.py")


def main(arguments: argparse.Namespace) -> None:
    """Checks what was given, runs Snakemake in the folder, and sums up what came out, whatever has failed beside it."""
    out = arguments.out or APPLIED / absolute(arguments.tiles).name
    given = config.from_command_line(pairs(arguments.config))
    if named := sorted({"models", "tiles", "scenes"} & set(given)):
        raise InputError(f"--config {named[0]}: models and tiles are given by --models and --tiles, not as settings")
    of = {"models": seen_from(out, arguments.models), "tiles": {"test": seen_from(out, arguments.tiles)}}
    config.load([], config.merge(given, of))
    find_models(arguments.models)
    discovery.find(arguments.tiles, truth_needed=False)
    keep_apart(out, of)
    with atomic_write(out / SETTINGS) as temporary:
        temporary.write_text(yaml.safe_dump(config.merge(given, of), allow_unicode=True))

    command = ["-m", "snakemake", "--snakefile", config.ROOT / "Snakefile", "--directory", out]
    command += ["--cores", arguments.cores, "--configfile", out / SETTINGS, *arguments.snakemake]
    signal.signal(
        signal.SIGINT, lambda *_: None
    )  # a terminal's Ctrl-C reaches Snakemake, too, which ends in good order
    status = run(*command)
    if status != cli.INTERRUPTED and not {"-n", "--dry-run"} & set(arguments.snakemake):
        status = max(status, run(SUMMARY, out / "results", "--models", arguments.models))
    sys.exit(status)


def pairs(given: list[str]) -> list[str]:
    """Splits texts of several settings, where a blank comes before the next KEY=.

    Example:
        >>> pairs(["outline.formats=[gpkg, geojson] separate.low=0.4", "run.keep_predictions=false"])
        ['outline.formats=[gpkg, geojson]', 'separate.low=0.4', 'run.keep_predictions=false']
    """
    return [pair for text in given for pair in re.split(r"\s+(?=[\w.]+=)", text.strip()) if pair]


def absolute(path: Path) -> Path:
    """An absolute path, in which links keep their names."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def seen_from(folder: Path, path: Path) -> str:
    """A path as seen from a folder: so results name what they come from by where it lies, seen from them."""
    return os.path.relpath(absolute(path), folder.resolve())


def keep_apart(out: Path, of: dict[str, Any]) -> None:
    """Refuses a folder that holds anything but results of the same tiles and models.

    Raises:
        InputError: with what the folder holds.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out}: is no folder; name another (--out, or OUT= for make)")
    if not (out / SETTINGS).exists():
        if any(out.iterdir()):
            raise InputError(
                f"{out}: holds something else than an application's results; name another folder (OUT=...)"
            )
        return
    there = yaml.safe_load((out / SETTINGS).read_text())
    for name, theirs, ours in (
        ("tiles", there["tiles"]["test"], of["tiles"]["test"]),
        ("models", there["models"], of["models"]),
    ):
        if theirs != ours:
            raise InputError(
                f"{out}: holds the results of other {name} ({(out / theirs).resolve()}); name another folder with "
                "OUT=..., or remove this one"
            )


def run(*command: str | Path) -> int:
    """Runs Python in a process of its own, past any shell; gives its exit status."""
    return subprocess.run([sys.executable, *map(str, command)], check=False).returncode


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder of models, *.safetensors")
    parser.add_argument("--tiles", type=Path, required=True, help="folder of tiles, <tile>_RGB.tif, _DSM.tif, _DTM.tif")
    parser.add_argument("--out", type=Path, help="folder for the results (default: as said above)")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="settings, e.g. separate.low=0.4")
    parser.add_argument("--cores", default="all", help="how many processor cores (default: all)")
    known, others = parser.parse_known_args()
    cli.run(main, argparse.Namespace(**vars(known), snakemake=others))
