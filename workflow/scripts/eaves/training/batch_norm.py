"""Batch norm over the micro-batches of a step, one after the other or on several GPUs at once."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from eaves.compute.distributed import Team


class BatchNorm:
    """Keeps a network's running statistics to what the configuration asks for, however many processes there are.

    `all`: each micro-batch updates them, in order. `first`: only the first of a step does. `sync`: what several GPUs
    compute at the same time is normalised as one batch; on one GPU that is the same as `all`.

    How it works with a team: a step's micro-batches are dealt out in turn, so process r of W sees those numbered r,
    r + W, ... An update is R ← (1 - m)·R + m·s. The layers' momentum is set to m' = 1 - (1 - m)^W, with which each
    process computes its share of the weighted sum; the shares, scaled by (m / m')·(1 - m)^(W-1-r), add up to what one
    process would have got.
    """

    def __init__(self, network: nn.Module, mode: str, team: Team) -> None:
        self.layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
        self.mode = mode
        self.team = team
        self._before: list[Tensor] = []
        self._momenta = [float(layer.momentum or 0.0) for layer in self.layers]
        if team.size == 1:
            return
        if mode == "sync":
            for layer in self.layers:
                layer.forward = partial(_synchronised, layer, layer.forward)  # type: ignore[method-assign]
        elif mode == "all":
            for layer, momentum in zip(self.layers, self._momenta, strict=True):
                layer.momentum = 1 - (1 - momentum) ** team.size

    def begin(self, first: bool) -> None:
        """To be called before each micro-batch, with whether it is the first one here in this step."""
        if self.mode == "first":
            for layer in self.layers:
                layer.track_running_stats = first
        if first and self.team.size > 1 and self.mode != "sync":
            self._before = [buffer.clone() for buffer in self._buffers()]

    @torch.no_grad()
    def end(self, micro_batches: int) -> None:
        """To be called after a step, with how many micro-batches this process had: puts the shares together."""
        if self.team.size == 1 or self.mode == "sync" or not self.layers:
            return
        behind = self.team.size - 1 - self.team.rank
        shares, kept = [], []
        for number, (buffer, before) in enumerate(zip(self._buffers(), self._before, strict=True)):
            momentum = self._momenta[number // 2]
            if self.mode == "first":
                kept.append(torch.zeros_like(before))
                shares.append(buffer if self.team.leads else torch.zeros_like(buffer))
                continue
            wide = 1 - (1 - momentum) ** self.team.size
            kept.append((1 - wide) ** micro_batches * before)
            scale = (momentum / wide) * (1 - momentum) ** behind if wide else 0.0
            shares.append(scale * (buffer - kept[-1]))
        total = self.team.all_reduce_sum(torch.cat(shares))
        parts = total.split([len(share) for share in shares])
        for buffer, rest, part in zip(self._buffers(), kept, parts, strict=True):
            buffer.copy_(rest + part)

    def _buffers(self) -> list[Tensor]:
        """Mean and variance of every layer, in order."""
        return [getattr(layer, name) for layer in self.layers for name in ("running_mean", "running_var")]


class _TeamSum(torch.autograd.Function):
    """The sum over the team, in the backward pass too: what one process computes, the others' losses depend on."""

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


def _synchronised(layer: nn.BatchNorm2d, plain: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Normalises by the statistics of the whole team's batch.

    torch's SyncBatchNorm does the same, but on GPUs only, where this could not be tested without one.
    """
    if not layer.training:
        return plain(image)
    values = image.float()
    count = values.numel() // values.shape[1]
    own = torch.cat([values.sum((0, 2, 3)), values.square().sum((0, 2, 3)), values.new_tensor([count])])
    total, squares, counts = _TeamSum.apply(own).split([values.shape[1], values.shape[1], 1])
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
    after = [getattr(layer, name) for name in ("drop", "act") if hasattr(layer, name)]  # timm's BatchNormAct2d
    for module in after:
        normalised = module(normalised)
    return normalised
