"""Write the code hash of every script, which DVC compares and which comments do not change."""

import argparse
import json
from pathlib import Path

from eaves.core import cli
from eaves.core.code_hash import code_hash
from eaves.core.files import atomic_write


def main(arguments: argparse.Namespace) -> None:
    """Write one line per script in this folder."""
    hashes = {path.stem: code_hash(path) for path in sorted(Path(__file__).parent.glob("*.py"))}
    with atomic_write(arguments.output) as temporary:
        temporary.write_text(json.dumps(hashes, indent=2) + "\n")


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    cli.run(main, parser.parse_args())
