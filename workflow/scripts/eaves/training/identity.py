"""What a trained fold follows from: only where all of it is the same is a checkpoint or a fold from the cache taken."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eaves.compute import devices
from eaves.core import environment
from eaves.workflow.code_hash import code_hash

PACKAGES = ("torch", "torchvision", "timm", "numpy")  # whose versions can change weights


def identity(
    script: Path,
    fold: int,
    folds_file: Path,
    network: nn.Module,
    settings: dict[str, Any],
    device: torch.device,
    processes: int,
    threads: int,
) -> str:
    """Hashes everything that decides a fold's weights.

    Settings are as configured: `precision: auto` counts as what it is on this device, but `micro_batch: auto` as
    itself, since what fits depends on who else uses the card; a checkpoint keeps what was found.

    Args:
        script: the training script; its code counts, with all of the library that it uses.
        fold: the fold that is held out.
        folds_file: folds.csv, with the hashes of the prepared tiles.
        network: as training begins, on the CPU.
        settings: blocks of the configuration.
        device: what this process trains on.
        processes: how many train together, each on a device of its own.
        threads: of the processor; on a GPU, nothing that they compute reaches the weights.

    Returns:
        A SHA-256 in hexadecimal, the same in every process of a team.
    """
    precision = settings["optimize"]["precision"]
    place = devices.described(device, precision, threads)
    if device.type == "cuda":
        cards = [torch.device("cuda", number) for number in range(processes)]
        place |= {
            "name": [torch.cuda.get_device_name(card) for card in cards],
            "precision": [devices.resolved(precision, card) for card in cards],
            "threads": None,
        }
    packages = {name: version for name, version in environment.packages(*PACKAGES).items() if name != "python"}
    everything = {
        "settings": settings,
        "fold": fold,
        "folds": sha256(folds_file.read_bytes()).hexdigest(),
        "start": _digest(network),
        "code": code_hash(script),
        # With the build, e.g. +cu130, which the package's own version may lack.
        "packages": {**packages, "torch": torch.__version__},
        "place": place,
        "processes": processes,
    }
    return sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def _digest(network: nn.Module) -> str:
    digest = sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
