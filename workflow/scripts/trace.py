"""Print what a result comes from, back to the raw tiles and the settings, and which of it no longer matches.

  python workflow/scripts/trace.py results/buildings/JAX_Tile_004.tif
  python workflow/scripts/trace.py results/scores/scores.json --configfile workflow/recipes/quickstart.yaml
  python workflow/scripts/trace.py results/models/fold-0.safetensors --json

Works from any folder. The entries of results/provenance.json are compared with the files on the disk, the code and the
configuration as they are now; each line begins with ok, CHANGED or MISSING. Every file of the chain is read, about a
second per GB and core. The exit status is 0 if everything matches, 1 if something does not, 2 after an error in the
arguments or files, and 3 after an error in Eaves itself (with a traceback).
"""

import argparse
import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from eaves.core import cli, config
from eaves.provenance.graph import FILE, Lineage, find
from eaves.provenance.render import render
from eaves.provenance.verify import Check, check

WIDTH = 120  # columns where the output is not a terminal


def main(arguments: argparse.Namespace) -> None:
    """Print the tree or JSON, and exit with status 1 where something does not match."""
    folder, name = find(arguments.result, config.ROOT)
    lineage = Lineage.read(arguments.provenance or folder / FILE, folder)
    settings = config.load(arguments.configfile, config.from_command_line(arguments.config))
    done = check(lineage, name, settings, Path(__file__).resolve().parent)
    if arguments.json:
        print(json.dumps(as_json(done), indent=2))
    else:
        for line in render(done, arguments.all, shutil.get_terminal_size((WIDTH, 24)).columns):
            print(line)
        if any("setting" in fault for faults in done.of_job.values() for fault in faults):
            cli.LOG.info("settings are compared with config.yaml and what --configfile and --config lay over it")
    sys.exit(0 if done.matches else 1)


def as_json(done: Check) -> dict[str, Any]:
    """Return every file and job of the chain, each with what no longer matches."""
    lineage = done.lineage
    files = {
        path: {
            **lineage.recorded(path),
            "inputs": lineage.inputs(path),
            "faults": done.of_file.get(path, []),
        }
        for path in done.chain
    }
    jobs = {
        job: {key: value for key, value in lineage.jobs[job].items() if key != "inputs"}
        | {"faults": done.of_job.get(job, [])}
        for job in done.jobs
    }
    return {"result": done.chain[0], "matches": done.matches, "files": files, "jobs": jobs}


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("result", type=Path, help="a file in results/; it need not exist any more")
    parser.add_argument("--configfile", type=Path, nargs="+", default=[], help="overlays in use, as for Snakemake")
    parser.add_argument(
        "--config", nargs="+", default=[], metavar="KEY=VALUE", help="settings in use, as for Snakemake"
    )
    parser.add_argument("--provenance", type=Path, help="another file than results/provenance.json")
    parser.add_argument("--all", action="store_true", help="list every file, also where one line stands for many")
    parser.add_argument("--json", action="store_true", help="print JSON")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # no traceback after `trace.py ... | head`
    cli.run(main, parser.parse_args(), fault=2, crash=3)
