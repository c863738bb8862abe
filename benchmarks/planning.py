"""Measure the time and memory of `snakemake -n` for 100 to 10,000 tiles, and the number of jobs.

Planning reads no tile, so the tiles are empty files. Three quarters of them are training tiles.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT_ROOT = Path(__file__).parents[1]
KINDS = {"train": ("RGB", "DSM", "DTM", "GTI", "GTL"), "test": ("RGB", "DSM", "DTM")}


def make_tiles(folder: Path, count: int) -> None:
    """Write empty files in place of the rasters of `count` tiles."""
    for set_name, part in (("train", count - count // 4), ("test", count // 4)):
        (folder / set_name).mkdir(parents=True)
        for number in range(part):
            for kind in KINDS[set_name]:
                (folder / set_name / f"JAX_{set_name}_{number:05d}_{kind}.tif").touch()


def plan(folder: Path, batch: int) -> tuple[float, float, float, int]:
    """Plan all targets; return wall seconds, CPU seconds, peak memory (MB) and the number of jobs."""
    overlay = folder / "overlay.yaml"
    overlay.write_text(f"tiles: {{train: {folder}/train, test: {folder}/test}}\nrun: {{tiles_per_job: {batch}}}\n")
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(PROJECT_ROOT / "Snakefile"),
        "--directory",
        str(folder),
    ]
    command += ["--configfile", str(overlay), "-n", "--quiet", "rules", "--", "all"]
    plan_file = folder / "plan.txt"
    with plan_file.open("w") as out:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=PROJECT_ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - began
    if status:
        raise SystemExit(f"error: planning failed: {plan_file.read_text()[-2000:]}")
    jobs = int(re.findall(r"^total\s+(\d+)", plan_file.read_text(), re.MULTILINE)[-1])
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, jobs


def main() -> None:
    """Print a row per number of tiles and batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, nargs="+", default=[100, 1000, 10_000], help="numbers of tiles")
    parser.add_argument("--batch", type=int, nargs="+", default=[32], help="tiles per job")
    arguments = parser.parse_args()
    print(f"{'tiles':>6} {'batch':>5} {'jobs':>6} {'wall s':>7} {'cpu s':>7} {'MB':>6}")
    for count in arguments.tiles:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_tiles(folder, count)
            for batch in arguments.batch:
                wall_s, cpu_s, mb, jobs = plan(folder, batch)
                print(f"{count:6d} {batch:5d} {jobs:6d} {wall_s:7.1f} {cpu_s:7.1f} {mb:6.0f}", flush=True)


if __name__ == "__main__":
    main()
