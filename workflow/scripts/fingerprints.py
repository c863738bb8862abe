"""Writes the fingerprint of every script's code: what DVC compares, where a comment in the code must change nothing."""

import argparse
import json
from pathlib import Path

from eaves.core import cli
from eaves.core.files import atomic_write
from eaves.workflow.code_hash import code_hash


def main(arguments: argparse.Namespace) -> None:
    """Writes one line per script of this folder."""
    prints = {path.stem: code_hash(path) for path in sorted(Path(__file__).parent.glob("*.py"))}
    with atomic_write(arguments.output) as temporary:
        temporary.write_text(json.dumps(prints, indent=2) + "\n")


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="where they go, .json")
    cli.run(main, parser.parse_args())
