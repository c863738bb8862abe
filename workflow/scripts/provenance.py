"""Writes down what made each result: its job, code and settings, what the job read, with what it computed.

Reads the records that Snakemake keeps in the working folder, from the results named back to the raw tiles. Two equal
runs write the same file, byte for byte. trace.py prints the chain of a result from it and checks it against the disk.

  python workflow/scripts/provenance.py --output tuning.json results/tuning/chosen.json
"""

import argparse
import json
from pathlib import Path

from eaves.core import cli
from eaves.core.config import CONFIG
from eaves.core.files import atomic_write
from eaves.provenance.collect import FORMAT, entries, gather

import yaml


def main(arguments: argparse.Namespace) -> None:
    """Gathers and writes, a line per job, result and raw file."""
    blocks = set(yaml.safe_load(CONFIG.read_text()))
    order_only = [tuple(pair.split(":", 1)) for pair in arguments.order_only]
    found = gather(arguments.ends, blocks, arguments.given, order_only)
    parts = entries(found)
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
    parser.add_argument("--given", nargs="*", default=[], help="files in results/ that no job need have made")
    parser.add_argument("--order-only", nargs="*", default=[], metavar="RULE:FILE", help="an input that is not read")
    parser.add_argument("ends", nargs="+", help="results, as Snakemake names them; and all that they come from")
    cli.run(main, parser.parse_args())
