"""The identity of a training job: a hash of everything its weights depend on, for checkpoints and the fold cache."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eaves.compute import devices
from eaves.core import environment
from eaves.core.code_hash import code_hash
from eaves.core.files import file_sha256

PACKAGES = ("torch", "torchvision", "timm", "numpy")  # whose versions can affect the weights


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
    """Hash everything that a fold's weights depend on.

    `precision: auto` counts as the precision it resolves to on this device, but `micro_batch: auto` counts as `auto`,
    because the size that fits depends on other users of the GPU; a checkpoint records the size that was found.

    Args:
        script: the training script; its code is included, with everything that it uses of the library.
        fold: the fold that is held out.
        folds_file: folds.csv, with the hashes of the prepared tiles.
        network: the network before training, on the CPU.
        settings: the blocks of the configuration that training uses.
        device: the device that this process trains on.
        processes: number of processes, each on its own device.
        threads: number of CPU threads; ignored on a GPU, where the weights don't depend on it.

    Returns:
        A SHA-256 in hexadecimal, the same in every process.
    """
    precision = settings["optimize"]["precision"]
    computed_on = devices.describe(device, precision, threads)
    if device.type == "cuda":
        gpus = [torch.device("cuda", number) for number in range(processes)]
        computed_on |= {
            "name": [torch.cuda.get_device_name(gpu) for gpu in gpus],
            "precision": [devices.resolve_precision(precision, gpu) for gpu in gpus],
            "threads": None,
        }
    packages = {name: version for name, version in environment.packages(*PACKAGES).items() if name != "python"}
    everything = {
        "settings": settings,
        "fold": fold,
        "folds": file_sha256(folds_file),
        "initial_weights": _state_sha256(network),
        "code": code_hash(script),
        # torch.__version__ includes the build, e.g. +cu130, which the package's metadata may lack.
        "packages": {**packages, "torch": torch.__version__},
        "computed_on": computed_on,
        "processes": processes,
    }
    return sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def _state_sha256(network: nn.Module) -> str:
    digest = sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
