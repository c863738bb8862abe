"""Writes the fingerprint of every script's code: what DVC compares, where a comment in the code must change nothing."""

import argparse
import json
from pathlib import Path

from eaves import console
from eaves.files import whole
from eaves.fingerprint import fingerprint


def main(arguments: argparse.Namespace) -> None:
    """Writes one line per script of this folder."""
    prints = {path.stem: fingerprint(path) for path in sorted(Path(__file__).parent.glob("*.py"))}
    with whole(arguments.output) as temporary:
        temporary.write_text(json.dumps(prints, indent=2) + "\n")


if __name__ == "__main__":
    parser = console.parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="where they go, .json")
    console.run(main, parser.parse_args())
