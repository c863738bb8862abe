"""Predict building probabilities on prepared tiles: with one model, or with the model that held the tile out."""

import argparse
from pathlib import Path

from eaves.compute import devices
from eaves.core import cli, config
from eaves.core.meter import Meter
from eaves.core.records import Done
from eaves.core.tables import read_table
from eaves.models.inference import count_windows, predict_strips
from eaves.models.network import load_model
from eaves.raster import geotiff
from eaves.tiles import prepared, probabilities

from torch import nn


def main(arguments: argparse.Namespace) -> Done:
    """Predict each tile; models are loaded once."""
    block = config.section(arguments.settings, "predict")["predict"]
    devices.make_deterministic(0, arguments.threads)
    device = devices.select_devices()[0]
    fold_of = None
    if arguments.folds:
        fold_of = read_table(arguments.folds).set_index("tile")["fold"]
    loaded: dict[Path, tuple[nn.Module, dict]] = {}
    model_of: dict[Path, Path] = {}
    grids = {path: geotiff.grid(path) for path in arguments.images}
    windows = sum(count_windows(grid["height"], grid["width"], {"predict": block}) for grid in grids.values())
    meter = Meter("predict", windows, "windows")
    for image_file, grid in grids.items():
        tile = prepared.tile_name(image_file)
        path = arguments.models[0 if fold_of is None else fold_of[tile]]
        if path not in loaded:
            network, recipe = load_model(path)
            loaded[path] = devices.to_device(network, device).eval(), recipe
        network, recipe = loaded[path]
        scales = {"input": recipe["input"], "predict": block}
        pixels = prepared.map_image(image_file)
        output = arguments.folder / f"{tile}.tif"
        model_of[output] = path
        with geotiff.create_raster(output, dtype="float32", count=1, **grid, **geotiff.PROBABILITY) as out:
            for top, strip in predict_strips(network, pixels, recipe["channels"], scales, device, meter.add):
                out.write(
                    probabilities.round_for_storage(strip), 1, window=((top, top + len(strip)), (0, grid["width"]))
                )
    meter.close()
    cli.LOG.info("predicted %d tiles into %s on %s", len(arguments.images), arguments.folder, device)
    return Done(
        inputs=[*arguments.images, *arguments.models, *([arguments.folds] if arguments.folds else [])],
        outputs=model_of,
        device=devices.describe(device, block["precision"], arguments.threads),
        models=model_of if len(arguments.models) > 1 else {},
    )


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        required=True,
        help="one model; with --folds, the models of all folds in order",
    )
    parser.add_argument(
        "--folds", type=Path, help="folds.csv: predict each tile with the model of the fold that held it out"
    )
    parser.add_argument("--folder", type=Path, required=True, help="output folder for the probabilities")
    parser.add_argument("--settings", help="settings: JSON, or a YAML file (default: config.yaml)")
    parser.add_argument("--threads", type=int, default=1, help="number of CPU threads (default: 1)")
    parser.add_argument("images", type=Path, nargs="+", help="prepared tiles, <tile>_image.tif")
    cli.run(main, parser.parse_args())
