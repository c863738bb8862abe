"""Train one fold's network on RGB alone, so that the decoder adapts to the encoder before heights are added."""

import argparse
from pathlib import Path

from eaves.core import cli, config
from eaves.core.records import Done
from eaves.training.fold import BLOCKS, add_arguments, train_fold
from eaves.training.job import Phase


def main(arguments: argparse.Namespace) -> Done:
    """Train the single phase of the warm-up."""
    blocks = config.section(arguments.settings, *BLOCKS, "warmup")
    block = blocks["warmup"]
    phases = [Phase("warmup", block["epochs"], block["lr"], block["bce"], block["dice"])]
    return train_fold("warmup", Path(__file__), arguments, blocks, phases)


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    add_arguments(parser)
    parser.add_argument(
        "--encoder", type=Path, help="the encoder's first weights, that fetch_encoder_weights.py wrote (default: none)"
    )
    cli.run(main, parser.parse_args())
