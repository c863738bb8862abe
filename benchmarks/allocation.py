"""Time prediction and training with the memory settings of a run's jobs against the C library's defaults.

By default, glibc returns large blocks to the system when they are freed, and the system zeroes their pages again at the
next step. The jobs' settings, in eaves/workflow/job_environment.py, keep freed memory in the process. Both variants run
alternately, and their results are compared.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
from eaves.models.files import save_model
from eaves.models.network import build
from eaves.workflow.job_environment import JOB_ENVIRONMENT

PROJECT_ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = PROJECT_ROOT / "workflow" / "scripts"
KEPT = {name: value for name, value in JOB_ENVIRONMENT.items() if name.startswith("MALLOC_")}


def measure(command: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Run a command and return its CPU seconds, those spent in the system, and millions of page faults."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clean = {name: value for name, value in os.environ.items() if name not in JOB_ENVIRONMENT}
    clean["OMP_WAIT_POLICY"] = JOB_ENVIRONMENT["OMP_WAIT_POLICY"]
    subprocess.run(command, env=clean | environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    system_s = after.ru_stime - before.ru_stime
    return after.ru_utime - before.ru_utime + system_s, system_s, (after.ru_minflt - before.ru_minflt) / 1e6


def main() -> None:
    """Print the medians and their ratio, including the start of the process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="resnet34", help="default: %(default)s")
    parser.add_argument("--size", type=int, default=2048, help="side of the tile to predict, px (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each variant (default: %(default)s)")
    arguments = parser.parse_args()
    config = yaml.safe_load((PROJECT_ROOT / "config.yaml").read_text())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = config["model"] | {"encoder": arguments.encoder, "input": config["input"], "channels": 4}
        save_model(folder / "model.safetensors", build(arguments.encoder), recipe)
        pixels = np.random.default_rng(1).integers(0, 255, (arguments.size, arguments.size, 4), dtype=np.int16)
        tifffile.imwrite(folder / "A_image.tif", pixels, photometric="minisblack", planarconfig="contig")
        command = [sys.executable, str(SCRIPTS / "predict.py"), "--models", str(folder / "model.safetensors")]
        command += ["--folder", "{variant}", str(folder / "A_image.tif")]
        report("prediction", command, folder, arguments.runs)
    step = [
        sys.executable,
        str(PROJECT_ROOT / "benchmarks" / "step.py"),
        "--crop",
        "256",
        "--batch",
        "8",
        "--steps",
        "8",
    ]
    report("training", [*step, "--encoder", arguments.encoder, "--threads", "1"], None, arguments.runs)


def report(task: str, command: list[str], folder: Path | None, runs: int) -> None:
    """Run both variants alternately and print their medians."""
    variants: dict[str, dict[str, str]] = {"default": {}, "kept": KEPT}
    measurements: dict[str, list[tuple[float, float, float]]] = {variant: [] for variant in variants}
    for _ in range(runs):
        for variant, environment in variants.items():
            filled = [part.format(variant=folder / variant) if folder else part for part in command]
            measurements[variant].append(measure(filled, environment))
    if folder:
        assert (folder / "default" / "A.tif").read_bytes() == (folder / "kept" / "A.tif").read_bytes()
    medians = {
        variant: [statistics.median(column) for column in zip(*rows, strict=True)]
        for variant, rows in measurements.items()
    }
    for variant, (cpu_s, system_s, faults) in medians.items():
        print(
            f"{task}, memory {variant}: {cpu_s:.1f} s of CPU time, {system_s:.1f} in the system; "
            f"{faults:.1f} million page faults"
        )
    print(f"{task}: {medians['kept'][0] / medians['default'][0]:.2f} of the default's CPU time")


if __name__ == "__main__":
    main()
