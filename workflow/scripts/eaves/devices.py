"""On what a network runs, and how exactly."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from eaves.lease import lease_card

PRECISIONS = ("auto", "fp32", "bf16")


def choose() -> torch.device:
    """A GPU of one's own where there is one (see `lease`), else the processor."""
    lease_card()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Moves a network to a device, its weights laid out channels last, as convolutions like them best."""
    network.to(device)
    return network.to(memory_format=torch.channels_last)


def make_repeatable(seed: int, threads: int) -> None:
    """Makes torch give the same bits for the same input, on the CPU and on one GPU.

    Args:
        seed: of torch's own generators, which decide how new layers start.
        threads: processor threads; sums depend on how work is divided, so this number belongs to the result.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.set_num_threads(threads)
    torch.manual_seed(seed)


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """The context in which a network computes: plain, or with matrix work in bfloat16.

    Args:
        device: what it runs on.
        precision: fp32, bf16, or auto: bf16 where the device is made for it, else fp32.
    """
    if precision == "bf16" or (precision == "auto" and _fast_in_bf16(device)):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def _fast_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
