"""Time a training step that cuts, transfers and augments real crops against the same step on prepared inputs.

The latter is a lower bound: the network's inputs, targets and weights are already on the device. Both run alternately
in one process. On a GPU, TFLOP/s (counted by torch, as 3 forward passes per step), their share of the card's peak
(`--peak`, in TFLOP/s) and the memory are printed, too.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tifffile
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
from eaves.compute import devices
from eaves.core import config as configuration
from eaves.models.network import build
from eaves.tiles.crops import Tile
from eaves.training import loader
from eaves.training.job import Phase
from eaves.training.sampler import Batch, Sampler
from eaves.training.trainer import Trainer

PHASE = Phase("main", 1, 1e-4, 1.0, 1.0)


def make_tiles(folder: Path, count: int, size: int) -> list[Tile]:
    """Write prepared tiles of noise with squares as buildings, and map them into memory as in training."""
    tiles = []
    for number in range(count):
        generator = np.random.default_rng(number)
        truth = np.kron(generator.integers(0, 2, (size // 32, size // 32)), np.ones((32, 32), int)).astype(np.int32)
        image = (generator.integers(0, 80, (size, size, 4)) + truth[..., None] * 150).astype(np.int16)
        paths = [folder / f"{number}_{kind}.tif" for kind in ("image", "truth")]
        for path, pixels in zip(paths, (image, truth), strict=True):
            tifffile.imwrite(
                path, pixels, photometric="minisblack", planarconfig="contig" if pixels.ndim == 3 else None
            )
        tiles.append(Tile(str(number), *(tifffile.memmap(path, mode="r") for path in paths)))
    return tiles


class Ready(Trainer):
    """A trainer whose inputs are already on the device, whatever batch it is given."""

    ready: dict[int, tuple[torch.Tensor, ...]]

    def prepare_batch(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Return prepared inputs for a batch of this size."""
        return self.ready[len(batch.tiles)]


def main() -> None:
    """Print the medians, their ratio and crops/s; on a GPU, TFLOP/s and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crop", type=int, nargs="+", default=[256, 512], help="pixels per side (default: 256 512)")
    parser.add_argument("--batch", type=int, default=4, help="crops per step (default: %(default)s)")
    parser.add_argument("--encoder", default="resnet34", help="default: %(default)s")
    parser.add_argument("--precision", default="auto", help="default: %(default)s")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    parser.add_argument("--steps", type=int, default=12, help="steps of each variant (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    parser.add_argument("--tiles", type=int, default=4, help="number of tiles of 2048 px (default: %(default)s)")
    parser.add_argument("--peak", type=float, help="the card's peak, TFLOP/s, e.g. 989 for bf16 on an H100")
    arguments = parser.parse_args()

    config = yaml.safe_load(configuration.CONFIG.read_text())
    device = devices.select_devices()[0]
    with tempfile.TemporaryDirectory() as folder:
        tiles = make_tiles(Path(folder), arguments.tiles, 2048)
        for crop_px in arguments.crop:
            devices.make_deterministic(1, arguments.threads)
            sample = config["sample"] | {"crop_px": crop_px, "micro_batch": arguments.batch, "gradient_accumulation": 1}
            optimize = config["optimize"] | {"precision": arguments.precision, "compile": arguments.compile}
            settings = config | {"sample": sample, "optimize": optimize}
            report(tiles, settings, device, arguments)


def report(tiles: list[Tile], settings: dict, device: torch.device, arguments: SimpleNamespace) -> None:
    """Run the steps and print the medians."""
    sampler = Sampler(tiles, settings["sample"] | {"crops_per_tile": 10**4}, settings["augment"], (1,))
    real = Trainer(build(arguments.encoder).train(), settings, 4, device)
    best = Ready(build(arguments.encoder).train(), settings, 4, device)
    pinned = device.type == "cuda"
    coming = loader.steps(sampler, 0, 0, threads=min(4, arguments.threads), pin_memory=pinned)
    (_, batches) = next(coming)
    best.ready = {len(batch.tiles): real.prepare_batch(batch) for batch in batches}
    times: dict[Trainer, list[float]] = {real: [], best: []}
    if pinned:
        torch.cuda.reset_peak_memory_stats()
    # On a GPU ten steps at a time, because the first one after a switch waits for crops that are not prefetched yet.
    run = 10 if pinned else 1
    for number, trainer in itertools.product(range(arguments.steps + 2), (real, best)):
        began = time.perf_counter()
        for _ in range(run):
            given = next(coming)[1] if trainer is real else batches
            float(trainer.training_step(given, PHASE)[0])
        if number >= 2:  # warmed up
            times[trainer].append((time.perf_counter() - began) / run)
    medians = [statistics.median(times[trainer]) for trainer in (real, best)]
    crop_px, size = settings["sample"]["crop_px"], settings["sample"]["micro_batch"]
    print(f"{arguments.encoder}, {size} crops of {crop_px} px, {real.precision}, on {device}")
    print(f"inputs ready {medians[1] * 1e3:8.1f} ms per step")
    print(f"real crops   {medians[0] * 1e3:8.1f} ms per step   {medians[0] / medians[1]:.3f} times as long")
    print(f"{size / medians[0]:.1f} crops/s")
    if pinned:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            best.network(best.ready[size][0][:1].float())
        tflops = 3 * counter.get_total_flops() * size / medians[0] / 1e12
        share = f", {tflops / arguments.peak:.1%} of {arguments.peak:g}" if arguments.peak else ""
        print(f"{tflops:.0f} TFLOP/s{share}; {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB with both networks")


if __name__ == "__main__":
    main()
