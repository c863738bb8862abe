"""Collect the records of jobs into one file that says what made each result, back to the raw tiles.

Each job's record holds its script, code and settings, packages and device, and the SHA-256 of what it read and wrote.
Two equal runs write the same file, byte for byte. trace.py prints the chain of a result from it and checks it against
the disk.

  python workflow/scripts/provenance.py --output tuning.json results/records
"""

import argparse
import json
from pathlib import Path

from eaves.core import cli
from eaves.core.files import atomic_write
from eaves.core.records import working_folder
from eaves.provenance.collect import FORMAT, collect


def main(arguments: argparse.Namespace) -> None:
    """Collect the records, and write a line per job, result and raw file."""
    parts = collect(arguments.records, arguments.given, working_folder(arguments.output))
    with atomic_write(arguments.output) as temporary, temporary.open("w") as out:
        out.write(f'{{\n"format": {FORMAT}')
        for name, part in parts.items():
            lines = (f"{json.dumps(key)}: {json.dumps(entry, sort_keys=True)}" for key, entry in part.items())
            out.write(f',\n"{name}": {{')
            for number, line in enumerate(lines):
                out.write(",\n" * (number > 0) or "\n")
                out.write(line)
            out.write("\n}")
        out.write("\n}\n")
    counts = ", ".join(f"{len(part)} {name}" for name, part in parts.items())
    cli.LOG.info("%s in %s", counts.replace(" raw", " raw files"), arguments.output)


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="provenance.json")
    parser.add_argument("--given", type=Path, nargs="*", default=[], help="models that no job made, .safetensors")
    parser.add_argument("records", type=Path, nargs="+", help="records of jobs, or folders of them")
    cli.run(main, parser.parse_args())
