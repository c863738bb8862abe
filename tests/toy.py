"""A toy to test on: raw tiles written by code, and helpers that run scripts and the workflow."""

import contextlib
import functools
import io
import logging
import os
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import yaml
from rasterio import Affine

from eaves.tiles.discovery import TileFiles
from towns import Scene, make_scene

PROJECT_ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = PROJECT_ROOT / "workflow" / "scripts"
CONFIG = yaml.safe_load((PROJECT_ROOT / "config.yaml").read_text())

SIZE = 160
GRID = {"crs": "EPSG:32617", "transform": Affine(0.5, 0, 440_000, 0, -0.5, 3_360_000)}
HEIGHT_NODATA = -32767.0

# The whole recipe, as small as it goes. A network that has seen this little finds blots, not houses: with thresholds
# this low there are some, so that what comes after has something to work on.
OVERLAY: dict[str, Any] = {
    "scenes": {"train": 4, "test": 2, "size": SIZE, "seed": 1},
    "split": {"folds": 2},
    "model": {"encoder": "test_resnet", "weights": "none"},
    "sample": {"crop_px": 64, "crops_per_tile": 8, "micro_batch": 4, "gradient_accumulation": 1},
    "optimize": {"precision": "fp32"},
    "run": {"checkpoint_minutes": 0},
    "warmup": {"epochs": 1},
    "train": {"epochs": 1, "decay": {"epochs": 1}, "final": {"epochs": 1}},
    "predict": {"window": 128, "overlap": 32, "precision": "fp32"},
    "separate": {"low": 0.2, "high": 0.3, "min_seed_px": 4, "min_area_px": 9},
    "outline": {"formats": ["parquet", "geojson", "cityjson"]},
}


def merged(base: Mapping[str, Any], *overlays: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with overlays laid over it, as Snakemake does."""
    result = deepcopy(dict(base))
    for overlay in overlays:
        for key, value in overlay.items():
            below = result.get(key)
            nested = isinstance(value, Mapping) and isinstance(below, Mapping)
            result[key] = merged(below, value) if nested else value
    return result


@functools.cache
def scene(seed: int = 1, size: int = SIZE) -> Scene:
    return make_scene(seed, size)


def digest(text: str) -> str:
    """The SHA-256 of a file with this content."""
    return sha256(text.encode()).hexdigest()


def write_texts(**texts: str) -> None:
    """Write text files, by name and content."""
    for name, text in texts.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_raster(path: Path, array: np.ndarray, **profile: Any) -> Path:
    """Writes a GeoTIFF of one band, (H, W), or several, (bands, H, W); on the toy's grid unless `profile` says else."""
    bands = array if array.ndim == 3 else array[None]
    layout = GRID | {"dtype": bands.dtype, "count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", driver="GTiff", **(layout | profile)) as out:
        out.write(bands)
    return path


def write_tile(folder: Path, name: str, seed: int = 1, size: int = SIZE) -> TileFiles:
    """Writes the five raw files of a valid tile."""
    made = scene(seed, size)
    classes = np.select([made.truth > 0, made.truth < 0], [6, 65], 2).astype(np.uint8)
    return TileFiles(
        rgb=write_raster(folder / f"{name}_RGB.tif", np.moveaxis(made.rgb, 2, 0)),
        dsm=write_raster(folder / f"{name}_DSM.tif", made.dsm, nodata=HEIGHT_NODATA),
        dtm=write_raster(folder / f"{name}_DTM.tif", made.dtm, nodata=HEIGHT_NODATA),
        gti=write_raster(folder / f"{name}_GTI.tif", np.abs(made.truth).astype(np.uint16)),
        gtl=write_raster(folder / f"{name}_GTL.tif", classes),
    )


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess:
    """Run Python in a process of its own, and return its exit status and output."""
    environ = options.pop("env", None) or environment()
    return subprocess.run([sys.executable, *map(str, command)], env=environ, capture_output=True, text=True, **options)


def run_script(
    script: Path, *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess:
    """Run a script of the workflow inside this process, which saves importing torch and GDAL again.

    Args:
        script: e.g. `SCRIPTS / "score.py"`.
        arguments: its command line.
        cwd: the working directory meanwhile.
        env: environment variables to add.

    Returns:
        The exit status and output, as a process of its own would have them.
    """
    command = [str(script), *map(str, arguments)]
    stdout, stderr, status = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(cwd or Path.cwd()),
        _process_state(command, {"CUDA_VISIBLE_DEVICES": "", **(env or {})}),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            runpy.run_path(command[0], run_name="__main__")
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(command, status, stdout.getvalue(), stderr.getvalue())


@contextlib.contextmanager
def _process_state(arguments: list[str], variables: Mapping[str, str]) -> Iterator[None]:
    """Set the arguments and environment that a script sees, and restore what it changes in this process."""
    log = logging.getLogger("eaves")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)}
    kept = sys.argv, dict(os.environ), log.handlers, log.level, log.propagate
    sys.argv = arguments
    os.environ.update(variables)
    try:
        yield
    finally:
        sys.argv, environ, log.handlers, log.level, log.propagate = kept
        os.environ.clear()
        os.environ.update(environ)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def snakemake(
    folder: Path, *arguments: str | Path, overlay: Mapping[str, Any] | None, cache: Path | None = None
) -> subprocess.CompletedProcess:
    """Run the workflow in a folder, with one thread per job, so that two jobs on two cores do not compete.

    Args:
        folder: the working directory.
        arguments: more of Snakemake's command line.
        overlay: settings laid over config.yaml.
        cache: the cache of trained folds; the test session's unless given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = ["-m", "snakemake", "--snakefile", PROJECT_ROOT / "Snakefile", "--directory", folder]
    command += ["--cores", "2", "--max-threads", "1", *arguments]
    if overlay is not None:
        text = yaml.safe_dump(dict(overlay))
        file = folder / "overlay.yaml"
        if file.exists() and file.read_text() != text:  # another test may be reading it: the toy's folder is shared
            file = folder / f"overlay-{sha256(text.encode()).hexdigest()[:12]}.yaml"
        if not file.exists():
            file.write_text(text)
        command += ["--configfile", file]
    return run(*command, cwd=PROJECT_ROOT, env=environment(cache))


def environment(cache: Path | None = None) -> dict[str, str]:
    """Return the environment without what would make a run depend on where it is run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # a run is twenty short processes: compiling torch in each takes minutes
    # conftest.py names a cache for the whole test session: never the user's own.
    return kept | {"CUDA_VISIBLE_DEVICES": "", "EAVES_FOLD_CACHE": str(cache or os.environ["EAVES_FOLD_CACHE"])}


@dataclass(frozen=True)
class ToyRun:
    """The toy's finished run, which all tests of a session share: a test that changes it works on a copy."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def copy_to(self, folder: Path) -> "ToyRun":
        """Copy the run, with its dates, so that Snakemake finds nothing to do there either."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return ToyRun(folder)

    def tiles(self, set_name: str) -> list[str]:
        table = pd.read_csv(self.results / "tiles" / "tiles.csv")
        return list(table.loc[table["set"] == set_name, "tile"])

    def raw(self, tile: str, kind: str) -> Path:
        (path,) = (self.results / "scenes").rglob(f"{tile}_{kind}.tif")
        return path


def read(path: Path) -> np.ndarray:
    """All bands of a raster, (bands, H, W); (H, W) where there is one."""
    with rasterio.open(path) as dataset:
        array = dataset.read()
    return array[0] if len(array) == 1 else array
