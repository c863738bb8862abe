"""Decoder blocks, which upsample the encoder's feature maps: the winner's U-Net block and LinkNet's."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class UnetBlock(nn.Module):
    """Upsample (nearest) and convolve, then concatenate the encoder's feature map of that scale and convolve again."""

    def __init__(self, channels_in: int, channels_skip: int) -> None:
        super().__init__()
        self.up = nn.Conv2d(channels_in, channels_skip, 3, padding=1)
        self.merge = nn.Conv2d(2 * channels_skip, channels_skip, 3, padding=1)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """Map (N, channels_in, h, w) and (N, channels_skip, ~2h, ~2w) to (N, channels_skip, ~2h, ~2w)."""
        up = F.relu(self.up(F.interpolate(deep, size=skip.shape[-2:], mode="nearest")))
        return F.relu(self.merge(torch.cat([up, skip], dim=1)))


class LinknetBlock(nn.Module):
    """Reduce channels, upsample and convolve, expand channels, then add the encoder's feature map of that scale.

    After LinkNet (https://arxiv.org/abs/1707.03718), but with nearest upsampling as in the U-Net block, so that any
    image size works, and without batch norm, as in the winner's decoders.
    """

    def __init__(self, channels_in: int, channels_skip: int) -> None:
        super().__init__()
        narrow = max(1, channels_in // 4)
        self.reduce = nn.Conv2d(channels_in, narrow, 1)
        self.up = nn.Conv2d(narrow, narrow, 3, padding=1)
        self.expand = nn.Conv2d(narrow, channels_skip, 1)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """Map (N, channels_in, h, w) and (N, channels_skip, ~2h, ~2w) to (N, channels_skip, ~2h, ~2w)."""
        narrow = F.relu(self.reduce(deep))
        up = F.relu(self.up(F.interpolate(narrow, size=skip.shape[-2:], mode="nearest")))
        return F.relu(self.expand(up)) + skip


DECODERS: dict[str, type[UnetBlock | LinknetBlock]] = {"unet": UnetBlock, "linknet": LinknetBlock}


def init_random(convolution: nn.Conv2d) -> None:
    """Initialise a convolution as the winner's code does.

    Weights: normal distribution with mean 0 and standard deviation sqrt(2 / (k·k·out)); bias: 0.
    """
    std = math.sqrt(2 / (convolution.kernel_size[0] * convolution.kernel_size[1] * convolution.out_channels))
    nn.init.normal_(convolution.weight, 0.0, std)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
