"""Batch norm statistics over the micro-batches of a step, in one process or several."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from eaves.compute.distributed import ProcessGroup


class RunningStatistics:
    """Updates the running statistics of a network's batch norm as configured, whatever the number of processes.

    `all`: every micro-batch updates them, in order. `first`: only the first micro-batch of a step does. `sync`:
    micro-batches that several GPUs compute at the same time are normalised as one batch; on one GPU, the same as `all`.

    How it works with W processes: process r computes the micro-batches r, r + W, ... of a step. An update is
    R ← (1 - m)·R + m·s. With the layers' momentum set to m' = 1 - (1 - m)^W, each process computes its share of the
    weighted sum; scaled by (m / m')·(1 - m)^(W-1-r), the shares add up to the statistics of a single process.

    Args:
        network: the network, on its device; its layers are changed.
        mode: `all`, `first` or `sync`.
        group: the processes that train together.
    """

    def __init__(self, network: nn.Module, mode: str, group: ProcessGroup) -> None:
        self.layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
        self.mode = mode
        self.group = group
        self._before: list[Tensor] = []
        self._momenta = [float(layer.momentum or 0.0) for layer in self.layers]
        if group.world_size == 1:
            return
        if mode == "sync":
            for layer in self.layers:
                layer.forward = partial(_forward_synchronised, layer, layer.forward)  # type: ignore[method-assign]
        elif mode == "all":
            for layer, momentum in zip(self.layers, self._momenta, strict=True):
                layer.momentum = 1 - (1 - momentum) ** group.world_size

    def before_micro_batch(self, first: bool) -> None:
        """Prepare for a micro-batch; `first` marks this process's first one of the step."""
        if self.mode == "first":
            for layer in self.layers:
                layer.track_running_stats = first
        if first and self.group.world_size > 1 and self.mode != "sync":
            self._before = [buffer.clone() for buffer in self._buffers()]

    @torch.no_grad()
    def after_step(self, micro_batches: int) -> None:
        """Combine the statistics of all processes after a step in which this one computed `micro_batches`."""
        if self.group.world_size == 1 or self.mode == "sync" or not self.layers:
            return
        following = self.group.world_size - 1 - self.group.rank  # processes with later micro-batches
        shares, kept = [], []
        for number, (buffer, before) in enumerate(zip(self._buffers(), self._before, strict=True)):
            momentum = self._momenta[number // 2]
            if self.mode == "first":
                kept.append(torch.zeros_like(before))
                shares.append(buffer if self.group.is_main else torch.zeros_like(buffer))
                continue
            group_momentum = 1 - (1 - momentum) ** self.group.world_size
            kept.append((1 - group_momentum) ** micro_batches * before)
            scale = (momentum / group_momentum) * (1 - momentum) ** following if group_momentum else 0.0
            shares.append(scale * (buffer - kept[-1]))
        total = self.group.all_reduce_sum(torch.cat(shares))
        parts = total.split([len(share) for share in shares])
        for buffer, rest, part in zip(self._buffers(), kept, parts, strict=True):
            buffer.copy_(rest + part)

    def _buffers(self) -> list[Tensor]:
        """Return the running mean and variance of every layer, in order."""
        return [getattr(layer, name) for layer in self.layers for name in ("running_mean", "running_var")]


class _AllReduceSum(torch.autograd.Function):
    """Sum over all processes, forward and backward, since every process's loss depends on all processes' values."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


def _forward_synchronised(layer: nn.BatchNorm2d, original_forward: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Normalise (N, C, H, W) by the statistics of the batches of all processes; replaces the layer's forward method.

    torch's SyncBatchNorm does the same, but only on GPUs; this runs, and is tested, on the CPU as well.
    """
    if not layer.training:
        return original_forward(image)
    values = image.float()
    count = values.numel() // values.shape[1]
    sums = torch.cat([values.sum((0, 2, 3)), values.square().sum((0, 2, 3)), values.new_tensor([count])])
    total, squares, counts = _AllReduceSum.apply(sums).split([values.shape[1], values.shape[1], 1])
    mean = total / counts
    variance = (squares / counts - mean.square()).clamp(min=0)
    with torch.no_grad():
        layer.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        layer.running_mean.lerp_(mean, layer.momentum)  # type: ignore[union-attr, arg-type]
        unbiased = variance * counts / (counts - 1)
        layer.running_var.lerp_(unbiased, layer.momentum)  # type: ignore[union-attr, arg-type]
    scale = torch.rsqrt(variance + layer.eps)
    if layer.affine:
        scale = scale * layer.weight
    shift = layer.bias - mean * scale if layer.affine else -mean * scale
    normalised = (values * scale[:, None, None] + shift[:, None, None]).to(image.dtype)
    following = [getattr(layer, name) for name in ("drop", "act") if hasattr(layer, name)]  # timm's BatchNormAct2d
    for module in following:
        normalised = module(normalised)
    return normalised
