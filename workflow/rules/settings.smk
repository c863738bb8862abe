"""Configuration files, checked before Snakemake merges them; a faulty one is refused in one line."""

import sys
from pathlib import Path

PROJECT_ROOT = Path(workflow.basedir)
sys.path.insert(0, str(PROJECT_ROOT / "workflow" / "scripts"))

from eaves.core import config as configuration
from eaves.core.errors import InputError


def refuse(error):
    """End with one line per fault; if the error were raised, Snakemake would print a traceback."""
    print(*(f"error: {line}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
    sys.exit(1)


# Snakemake accepts duplicate keys silently. The files given by --configfile it has read already, so they exist.
try:
    for _file in (PROJECT_ROOT / "config.yaml", *workflow.config_settings.configfiles):
        configuration.read_file(Path(_file))
except InputError as _error:
    refuse(_error)
