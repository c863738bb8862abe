"""Times `snakemake -n` on 100 to 10,000 tiles: how planning grows, its memory, and that jobs follow the batches.

Nothing is read while planning, so the tiles are empty files. Three quarters are for training.
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
    """Write empty files in place of so many tiles' rasters."""
    for set_name, part in (("train", count - count // 4), ("test", count // 4)):
        (folder / set_name).mkdir(parents=True)
        for number in range(part):
            for kind in KINDS[set_name]:
                (folder / set_name / f"JAX_{set_name}_{number:05d}_{kind}.tif").touch()


def plan(folder: Path, batch: int) -> tuple[float, float, float, int]:
    """Give wall seconds, processor seconds, peak memory (MB) and jobs of a plan of everything."""
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
    told = folder / "plan.txt"
    with told.open("w") as out:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=PROJECT_ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - began
    if status:
        raise SystemExit(f"error: planning failed: {told.read_text()[-2000:]}")
    jobs = int(re.findall(r"^total\s+(\d+)", told.read_text(), re.MULTILINE)[-1])
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, jobs


def main() -> None:
    """Print a row per number of tiles and size of batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--batch", type=int, nargs="+", default=[32])
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
