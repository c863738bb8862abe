"""Train one fold's network on RGB and height, starting from its warm-up: main, decay and final phase."""

import argparse
from pathlib import Path

from eaves.core import cli, config
from eaves.core.records import Done
from eaves.training.fold import BLOCKS, add_arguments, train_fold
from eaves.training.job import Phase


def main(arguments: argparse.Namespace) -> Done:
    """Train the three phases; the best epoch of the last one is kept."""
    blocks = config.section(arguments.settings, *BLOCKS, "train")
    block = blocks["train"]
    loss = {"bce": block["bce"], "dice": block["dice"]}
    phases = [
        Phase("main", block["epochs"], block["lr"], **loss),
        Phase("decay", **block["decay"], **loss),
        Phase("final", **block["final"]),
    ]
    return train_fold("train", Path(__file__), arguments, blocks, phases)


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    add_arguments(parser)
    parser.add_argument("--warmup", type=Path, required=True, help="the fold's warm-up, .safetensors")
    cli.run(main, parser.parse_args())
