"""Generate tiles: synthetic towns as raw files like the challenge's (RGB, DSM, DTM, GTI, GTL), at 0.5 m per pixel.

A tile is named <town>_<train|test>_<number>; its town and number determine its content. Training tiles have simulated
labelling errors, test tiles have none.
"""

import argparse
from pathlib import Path

from eaves.core import cli, config
from eaves.core.records import Done
from eaves.tiles import generated
from eaves.tiles.generate import generate


def main(arguments: argparse.Namespace) -> Done:
    """Generate the named tiles."""
    scenes = config.section(arguments.settings, "scenes")["scenes"]
    files = {tile: generated.files_in(arguments.folder, tile) for tile in arguments.tiles}
    for tile in cli.progress(arguments.tiles, "scenes"):
        generate(tile, files[tile], scenes["seed"], scenes["size"])
    cli.LOG.info("generated %d tiles in %s", len(arguments.tiles), arguments.folder)
    return Done(inputs=[], outputs=[path for written in files.values() for path in written.present()])


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="folder to write the files to")
    parser.add_argument("--settings", help="JSON or a YAML file with a block `scenes`")
    parser.add_argument("tiles", nargs="+", help=f"names of tiles; towns are {', '.join(generated.TOWNS)}")
    cli.run(main, parser.parse_args())
