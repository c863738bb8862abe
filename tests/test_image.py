"""The steps of envs/Dockerfile, run in a fresh Debian without a container engine."""

import os
import shutil
import subprocess

import pytest
from toy import PROJECT_ROOT


@pytest.mark.slow
@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("debootstrap", path=f"{os.environ['PATH']}:/usr/sbin"),
    reason="needs root and debootstrap",
)
def test_the_image_can_plan_the_quickstart():
    command = "snakemake -n --configfile workflow/recipes/quickstart.yaml -- all"
    done = subprocess.run(
        [PROJECT_ROOT / "envs" / "try_image.sh", command],
        env=os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "This was a dry-run" in done.stdout + done.stderr
