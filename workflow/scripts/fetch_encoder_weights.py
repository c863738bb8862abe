"""Gets the encoder's first weights, once for all folds: downloaded, from an installed package, or from a file.

Where they cannot be had, this says so before anything is trained, and names the ways out. With `model.weights: none`
the file holds no weights, and each fold's encoder starts at random.
"""

import argparse
from pathlib import Path

from eaves.core import cli, config
from eaves.models.files import save_model
from eaves.models.network import build
from eaves.provenance.records import Done

from torch import nn


def main(arguments: argparse.Namespace) -> Done:
    """Builds the network with them, which checks that they fit, and keeps the encoder's."""
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
    parser.add_argument("--output", type=Path, required=True, help="where they go, .safetensors")
    parser.add_argument("--folder", type=Path, help="where files lie that were downloaded elsewhere; looked at first")
    parser.add_argument("--settings", help="JSON or a YAML file (default: config.yaml)")
    cli.run(main, parser.parse_args())
