"""Device selection, numeric precision and determinism."""

import os
import shutil
import sysconfig
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eaves.compute.gpu_lock import lock_gpus
from eaves.core.cli import LOG
from eaves.core.errors import InputError

_HALF_PRECISION = {"bf16": torch.bfloat16, "fp16": torch.float16}


def select_devices(count: int = 1) -> list[torch.device]:
    """Select GPUs for this process alone (see `lock_gpus`), or the CPU where there are none.

    Args:
        count: number of GPUs wanted; the CPU always counts as one device.

    Raises:
        InputError: fewer GPUs are available than wanted, but not none.
    """
    if torch.version.cuda:  # a CPU build of torch would lock a GPU that it cannot use
        lock_gpus(count)
    if not torch.cuda.is_available():
        if count > 1:
            LOG.info(
                "no GPU available: training in one process on the CPU instead of on %d GPUs; "
                "the result is the same up to rounding",
                count,
            )
        return [torch.device("cpu")]
    if torch.cuda.device_count() < count:
        raise InputError(
            f"{count} GPUs are configured, but only {torch.cuda.device_count()} are available: lower "
            "run.gpus_per_fold in the configuration, or request more per job from the cluster"
        )
    return [torch.device("cuda", number) for number in range(count)]


def to_device(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, in the channels-last memory format, in which convolutions are fastest."""
    network.to(device)
    return network.to(memory_format=torch.channels_last)


def compile_network(network: nn.Module, device: torch.device) -> nn.Module:
    """Return a network that torch compiles on its first call; it shares its parameters with the given one.

    Raises:
        InputError: the compiler that torch needs (C++ for the CPU, C for a GPU) or Python's headers are missing.
    """
    variable, usual = ("CXX", ["g++"]) if device.type == "cpu" else ("CC", ["gcc", "clang"])
    configured = os.environ.get(variable, "").split()[:1]
    if not any(shutil.which(compiler) for compiler in configured or usual):
        raise InputError(
            f"optimize.compile: true needs a compiler, but {' or '.join(configured or usual)} was not found: "
            f"install it, set {variable} to another one, or set compile: false"
        )
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        raise InputError(
            f"optimize.compile: true needs Python's headers, but {headers} has no Python.h: install them (python3-dev "
            "on Debian), or set compile: false"
        )
    return torch.compile(network)  # type: ignore[return-value]


def make_deterministic(seed: int, threads: int) -> None:
    """Make torch deterministic, on the CPU and on a single GPU, and use full float32 precision (no TF32).

    Args:
        seed: of torch's global generators, which initialise new layers.
        threads: number of CPU threads; the order of summation, and so the result, depends on it.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    # cuDNN uses TF32 (10-bit mantissa) by default, and an environment variable can enable it for matrix products,
    # where it would shift the augmented crops by pixels.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(threads)
    torch.manual_seed(seed)


def describe(device: torch.device, precision: str, threads: int) -> dict[str, Any]:
    """Describe a device as far as results depend on it, for the record of a job.

    Args:
        device: the device that the network runs on.
        precision: as configured.
        threads: number of CPU threads.

    Returns:
        device: `cpu` or `cuda`; name: the GPU's name, or the instruction set of the CPU kernels; cuda and cudnn: their
        versions, on a GPU only; precision: as resolved by `resolve_precision`; threads.
    """
    cuda = device.type == "cuda"
    return {
        "device": device.type,
        "name": torch.cuda.get_device_name(device) if cuda else torch.backends.cpu.get_cpu_capability(),
        **({"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()} if cuda else {}),
        "precision": resolve_precision(precision, device),
        "threads": threads,
    }


def resolve_precision(precision: str, device: torch.device) -> str:
    """Resolve `auto`: bf16 where the device supports it natively, else fp16 on GPUs that do, else fp32.

    Args:
        precision: fp32, bf16, fp16 or auto.
        device: the device that the network runs on.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        return "bf16" if capability >= (8, 0) else "fp16" if capability >= (7, 0) else "fp32"
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Return the context for a forward pass: autocast in half precision, or a null context in fp32.

    Args:
        device: the device that the network runs on.
        precision: fp32, bf16, fp16 or auto (see `resolve_precision`).
    """
    precision = resolve_precision(precision, device)
    if precision in _HALF_PRECISION:
        return torch.autocast(device.type, dtype=_HALF_PRECISION[precision])
    return nullcontext()
