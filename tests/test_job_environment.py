"""What precedes every job's command: variables with their values, whatever is in them, and the user's own kept."""

import os
import subprocess
from pathlib import Path

from eaves.workflow.job_environment import JOB_ENVIRONMENT, shell_prefix

NAMES = ("SCRIPTS", "FOLD_CACHE", "OMP_WAIT_POLICY", "PROJ_LIB", "EAVES_RUN")


def values(prefix: str, **environment: str) -> list[str]:
    """The variables' values in a job's shell; unset ones are empty."""
    command = prefix.format() + "".join(f'echo "${{{name}-}}"; ' for name in NAMES)
    given = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(["bash", "-c", command], env=given, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )


def test_a_job_gets_its_variables_and_keeps_the_users():
    scripts, cache = "../it's {mine} $HOME/scripts", Path("/a folder/$(folds)")
    found = values(shell_prefix(scripts, cache, None), PROJ_LIB="/usr/share/proj")
    assert found[:5] == [scripts, str(cache), JOB_ENVIRONMENT["OMP_WAIT_POLICY"], "", "1"]
    assert values(shell_prefix(scripts, None, None), OMP_WAIT_POLICY="active")[1:3] == ["none", "active"]


def test_the_python_that_runs_snakemake_runs_the_jobs(tmp_path):
    python = tmp_path / "a bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho mine")
    python.chmod(0o755)
    command = shell_prefix("scripts", None, python.parent).format() + "exec python"
    assert subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout == "mine\n"
