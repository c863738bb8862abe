"""Times a training step that cuts, moves and augments real crops against the same step on inputs that are ready.

The latter is what no pipeline can beat: the network's inputs, targets and weights lie on the device. Both take the
same steps, in turn, in one process. On a GPU the share of its bf16 peak and the memory are printed too (`--peak`, in
TFLOP/s, is the card's; 3 forward passes a step, counted by torch).
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
    """Write prepared tiles: noise and squares for buildings; mapped into memory as in training."""
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
    """Takes steps on inputs that lie on the device, whatever batch it is given."""

    ready: dict[int, tuple[torch.Tensor, ...]]

    def prepare_batch(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Give the inputs for a batch of this size."""
        return self.ready[len(batch.tiles)]


def main() -> None:
    """Print the medians, their ratio and crops/s; on a GPU, TFLOP/s and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crop", type=int, nargs="+", default=[256, 512], help="pixels a side (default: 256 512)")
    parser.add_argument("--batch", type=int, default=4, help="crops a step (default: %(default)s)")
    parser.add_argument("--encoder", default="resnet34", help="default: %(default)s")
    parser.add_argument("--precision", default="auto", help="default: %(default)s")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument("--steps", type=int, default=12, help="of each (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the processor (default: %(default)s)")
    parser.add_argument("--tiles", type=int, default=4, help="of 2048 px (default: %(default)s)")
    parser.add_argument("--peak", type=float, help="the card's, in TFLOP/s, e.g. 989 for an H100's bf16")
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
    """Take the steps, and print what they took."""
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
    # Ten steps at a time on a GPU: the first after a change waits for crops that nothing had asked for yet.
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
    print(f"inputs ready {medians[1] * 1e3:8.1f} ms a step")
    print(f"real crops   {medians[0] * 1e3:8.1f} ms a step   {medians[0] / medians[1]:.3f} times as long")
    print(f"{size / medians[0]:.1f} crops/s")
    if pinned:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            best.network(best.ready[size][0][:1].float())
        tflops = 3 * counter.get_total_flops() * size / medians[0] / 1e12
        share = f", {tflops / arguments.peak:.1%} of {arguments.peak:g}" if arguments.peak else ""
        print(f"{tflops:.0f} TFLOP/s{share}; {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB with both networks")


if __name__ == "__main__":
    main()
