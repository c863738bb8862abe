"""The shell commands that precede each job's own: the environment variables that jobs need."""

import shlex
from pathlib import Path

from eaves import IN_RUN

# Set in every job, unless the user has set them to something else. They have to be environment variables, because they
# are read while a process starts.
JOB_ENVIRONMENT = {
    # Idle threads sleep instead of spinning: equally fast on an idle machine, and much faster if cores are shared.
    "OMP_WAIT_POLICY": "passive",
    # Freed memory is kept for the next step instead of being returned to the system, which would zero its pages again
    # (benchmarks/allocation.py). The C library reads these values, in bytes, when a process starts.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
}


def shell_prefix(scripts: str, fold_cache: Path | None, python_folder: Path | None) -> str:
    """Return what Snakemake puts in front of every shell command (`shell.prefix`).

    A prefix is not part of a rule's command, so none of this causes a rerun, and Snakemake's own environment remains
    unchanged.

    Args:
        scripts: Folder of the scripts, relative to the working folder; commands name it "$SCRIPTS".
        fold_cache: Folder of the trained folds, or None for no cache; "$FOLD_CACHE" in commands.
        python_folder: Folder of the Python to run scripts with, or None where a container or a conda environment has
            its own.

    Returns:
        Shell commands, with the braces doubled, because Snakemake formats them.
    """
    parts = [
        "set -euo pipefail",  # as Snakemake does where there is no prefix
        f"SCRIPTS={shlex.quote(scripts)}",
        f"FOLD_CACHE={shlex.quote(str(fold_cache or 'none'))}",
        # Read on import, before any argument is parsed, so that Ctrl-C is handled from the start.
        f"export {IN_RUN}=1",
        *(f'export {name}="${{{name}-{value}}}"' for name, value in JOB_ENVIRONMENT.items()),
        # The system's PROJ and GDAL folders, named in the environment, break the ones inside the wheels.
        "unset PROJ_LIB PROJ_DATA GDAL_DATA",
    ]
    if python_folder:  # the Python that runs Snakemake, even if its environment is not activated
        parts.append(f'export PATH={shlex.quote(str(python_folder))}:"${{PATH-}}"')
    return ("; ".join(parts) + "; ").replace("{", "{{").replace("}", "}}")
