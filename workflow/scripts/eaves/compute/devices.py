"""On what a network runs, and how exactly."""

import os
import shutil
import sysconfig
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eaves.compute.gpu_lock import lease_cards
from eaves.core.cli import LOG
from eaves.core.errors import InputError

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose(count: int = 1) -> list[torch.device]:
    """GPUs of one's own where there are some (see `lease`), else the processor.

    Args:
        count: how many GPUs are wanted; the processor is always one device.

    Raises:
        InputError: there are GPUs, but not so many.
    """
    if torch.version.cuda:  # torch for the processor would keep a card from others and not use it
        lease_cards(count)
    if not torch.cuda.is_available():
        if count > 1:
            LOG.info("no GPU here: one process on the CPU instead of %d; the result is the same up to rounding", count)
        return [torch.device("cpu")]
    if torch.cuda.device_count() < count:
        raise InputError(
            f"{count} GPUs are asked for, but {torch.cuda.device_count()} assigned: lower "
            "run.gpus_per_fold in the configuration, or ask the cluster for more per job"
        )
    return [torch.device("cuda", number) for number in range(count)]


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Moves a network to a device, its weights laid out channels last, as convolutions like them best."""
    network.to(device)
    return network.to(memory_format=torch.channels_last)


def compiled(network: nn.Module, device: torch.device) -> nn.Module:
    """Lets torch compile a network, when it first computes; the parameters stay those of the network.

    Raises:
        InputError: there is no compiler (torch asks for C++ on the processor, and for C on a GPU), or what it makes for
            Python takes headers that are not there.
    """
    variable, usual = ("CXX", ["g++"]) if device.type == "cpu" else ("CC", ["gcc", "clang"])
    named = os.environ.get(variable, "").split()[:1]
    if not any(shutil.which(compiler) for compiler in named or usual):
        raise InputError(
            f"optimize.compile: true takes a compiler, and {' or '.join(named or usual)} is not there: install it, "
            f"name yours in {variable}, or set compile: false"
        )
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        raise InputError(
            f"optimize.compile: true takes Python's headers, and {headers} has no Python.h: install them (python3-dev "
            "on Debian), or set compile: false"
        )
    return torch.compile(network)  # type: ignore[return-value]


def make_repeatable(seed: int, threads: int) -> None:
    """Makes torch give the same bits for the same input, on the CPU and on one GPU, and keep float32 to its 32 bits.

    Args:
        seed: of torch's own generators, which decide how new layers start.
        threads: processor threads; sums depend on how work is divided, so this number belongs to the result.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    # TF32, of 10 bits, is cuDNN's default; for matrices the environment may choose it, where it moves crops by pixels.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(threads)
    torch.manual_seed(seed)


def described(device: torch.device, precision: str, threads: int) -> dict[str, Any]:
    """Says on what a network is computed, as far as the result depends on it: it is noted beside the result.

    Args:
        device: what it runs on.
        precision: as configured.
        threads: of the processor.

    Returns:
        device: `cpu` or `cuda`. name: the card's, or the instruction set that the processor's kernels are made for.
        cuda, cudnn: the versions, with a card. precision: as `resolved` says. threads.
    """
    cuda = device.type == "cuda"
    return {
        "device": device.type,
        "name": torch.cuda.get_device_name(device) if cuda else torch.backends.cpu.get_cpu_capability(),
        **({"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()} if cuda else {}),
        "precision": resolved(precision, device),
        "threads": threads,
    }


def resolved(precision: str, device: torch.device) -> str:
    """Says what `auto` is on a device: bf16 where it is made for it, else fp16 on GPUs that are, else fp32.

    Args:
        precision: fp32, bf16, fp16 or auto.
        device: what is computed on.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        return "bf16" if capability >= (8, 0) else "fp16" if capability >= (7, 0) else "fp32"
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """The context in which a network computes: plain, or with matrix work in half precision.

    Args:
        device: what it runs on.
        precision: fp32, bf16, fp16, or auto (see `resolved`).
    """
    precision = resolved(precision, device)
    return torch.autocast(device.type, dtype=_TYPES[precision]) if precision in _TYPES else nullcontext()
