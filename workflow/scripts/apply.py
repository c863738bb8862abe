"""Apply trained models to new tiles, in a folder of its own; nothing is trained, and other results are not touched.

  python workflow/scripts/apply.py --models results/models --tiles-dir path/to/harbour
  python workflow/scripts/apply.py --models results/models --tiles-dir path/to/harbour --out applied/harbour-again
         --config outline.formats=[gpkg,geojson] outline.regularize_m=1 outline.min_confidence=0.7

The results are written to applied/<name of the tiles' folder>/results, or to results/ in the folder given by --out,
which must not hold results of other tiles or models. A second run with the same tiles computes only what has changed.
Options not listed below are passed to Snakemake, e.g. --resources gpu=2, or -n for a dry run.
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
SETTINGS = "application.yaml"  # tiles, models and settings of the results in a folder
SUMMARY = Path(__file__).with_name("summary.py")


def main(arguments: argparse.Namespace) -> None:
    """Check the arguments, run Snakemake in the folder, and summarize the results, even if some jobs failed."""
    out = arguments.out or APPLIED / absolute(arguments.tiles_dir).name
    overrides = config.from_command_line(split_settings(arguments.config))
    if reserved := sorted({"models", "tiles", "scenes"} & set(overrides)):
        raise InputError(
            f"--config {reserved[0]}: give models and tiles with --models and --tiles-dir, not as settings"
        )
    origin = {"models": relative_to(out, arguments.models), "tiles": {"test": relative_to(out, arguments.tiles_dir)}}
    config.load([], config.merge(overrides, origin))
    find_models(arguments.models)
    discovery.find_tiles(arguments.tiles_dir, truth_needed=False)
    check_folder(out, origin)
    with atomic_write(out / SETTINGS) as temporary:
        temporary.write_text(yaml.safe_dump(config.merge(overrides, origin), allow_unicode=True))

    command = ["-m", "snakemake", "--snakefile", config.ROOT / "Snakefile", "--directory", out]
    command += ["--cores", arguments.cores, "--configfile", out / SETTINGS, *arguments.snakemake]
    # A terminal's Ctrl-C reaches Snakemake, too, which ends in an orderly way.
    signal.signal(signal.SIGINT, lambda *_: None)
    status = run(*command)
    if status != cli.INTERRUPTED and not {"-n", "--dry-run"} & set(arguments.snakemake):
        status = max(status, run(SUMMARY, out / "results", "--models", arguments.models))
    sys.exit(status)


def split_settings(texts: list[str]) -> list[str]:
    """Split strings of several settings at the blanks before each KEY=.

    Example:
        >>> split_settings(["outline.formats=[gpkg, geojson] separate.low=0.4", "run.keep_predictions=false"])
        ['outline.formats=[gpkg, geojson]', 'separate.low=0.4', 'run.keep_predictions=false']
    """
    return [pair for text in texts for pair in re.split(r"\s+(?=[\w.]+=)", text.strip()) if pair]


def absolute(path: Path) -> Path:
    """Return an absolute path, without resolving links."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def relative_to(folder: Path, path: Path) -> str:
    """Return a path relative to a folder, the form in which results record their origin."""
    return os.path.relpath(absolute(path), folder.resolve())


def check_folder(out: Path, origin: dict[str, Any]) -> None:
    """Check that a folder is new or holds results of the same tiles and models.

    Raises:
        InputError: If it does not; the message says what it holds.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out}: not a folder; choose another (--out, or OUT= for make)")
    if not (out / SETTINGS).exists():
        if any(out.iterdir()):
            raise InputError(
                f"{out}: contains something other than an application's results; choose another folder (OUT=...)"
            )
        return
    recorded = yaml.safe_load((out / SETTINGS).read_text())
    for name, theirs, ours in (
        ("tiles", recorded["tiles"]["test"], origin["tiles"]["test"]),
        ("models", recorded["models"], origin["models"]),
    ):
        if theirs != ours:
            raise InputError(
                f"{out}: holds the results of other {name} ({(out / theirs).resolve()}); choose another folder with "
                "OUT=..., or remove this one"
            )


def run(*command: str | Path) -> int:
    """Run Python in a process of its own, without a shell, and return its exit status."""
    return subprocess.run([sys.executable, *map(str, command)], check=False).returncode


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder of the models, *.safetensors")
    parser.add_argument(
        "--tiles-dir", type=Path, required=True, help="folder of the tiles, <tile>_RGB.tif, _DSM.tif, _DTM.tif"
    )
    parser.add_argument("--out", type=Path, help="folder for the results (default: see above)")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="settings, e.g. separate.low=0.4")
    parser.add_argument("--cores", default="all", help="number of CPU cores (default: %(default)s)")
    known, others = parser.parse_known_args()
    cli.run(main, argparse.Namespace(**vars(known), snakemake=others))
