"""A real orthophoto and real lidar heights through the workflow, by the toy's models."""

import json

import numpy as np
import pyogrio
import pytest
import rasterio
from toy import OVERLAY, PROJECT_ROOT, merged, read, snakemake

from eaves.tiles.prepared import height_in_metres
from eaves.urban3d import text_format

REAL = PROJECT_ROOT.parent / "shared" / "tiles"
TILE = "AUT_Crop_001"

pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.slow,
    pytest.mark.skipif(not (REAL / f"{TILE}_RGB.tif").exists(), reason=f"no real tiles in {REAL}"),
]


def test_a_real_tile_goes_through(toy_run, tmp_path):
    tiles = tmp_path / "tiles"
    tiles.mkdir()
    for path in REAL.glob(f"{TILE}_*.tif"):
        (tiles / path.name).symlink_to(path)
    overlay = merged({block: OVERLAY[block] for block in ("predict", "separate")}, {"predict": {"window": 512}})
    models = f"models={toy_run.results / 'models'}"
    done = snakemake(tmp_path, "--config", models, f"tiles={{test: '{tiles}'}}", overlay=overlay)
    assert done.returncode == 0, done.stderr[-4000:]

    made = tmp_path / "results"
    with rasterio.open(REAL / f"{TILE}_RGB.tif") as rgb:
        place = (rgb.transform, rgb.shape)
    rasters = [f"tiles/{TILE}_image.tif", f"tiles/{TILE}_truth.tif", f"probabilities/{TILE}.tif"]
    rasters += [f"buildings/{TILE}.tif", f"predictions/fold-0/{TILE}.tif", f"predictions/fold-1/{TILE}.tif"]
    for name in rasters:
        with rasterio.open(made / name) as dataset:
            assert dataset.crs.to_epsg() == 2991, name
            assert (dataset.transform, dataset.shape) == place, name

    height_m = height_in_metres(read(made / rasters[0])[3])
    assert np.nanpercentile(height_m, 5) > -2
    assert 5 < np.nanpercentile(height_m, 99) < 100
    truth, labels = read(made / rasters[1]), read(made / rasters[3])
    assert np.nanmedian(height_m[truth > 0]) > np.nanmedian(height_m[truth == 0]) + 2  # houses stand on the ground

    outlines = pyogrio.read_dataframe(made / "buildings" / "buildings.gpkg")
    assert outlines.crs.to_epsg() == 2991
    assert len(outlines) == labels.max() > 0
    assert outlines.is_valid.all()
    np.testing.assert_array_equal(text_format.read(made / "submission.txt")[TILE], labels)
    assert json.loads((made / "scores" / "scores.json").read_text())["test"]["tiles"] == 1
    assert (made / "overview.png").stat().st_size > 100_000
