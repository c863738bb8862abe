"""The network: an encoder from the model library, the winner's decoder on top, one logit per pixel."""

import math
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eaves.errors import InputError
from eaves.weights import load_encoder

HEAD_CHANNELS = 32  # of the last, full-resolution convolution
DECODERS = ("unet",)


class UpBlock(nn.Module):
    """Nearest upsampling and a convolution; then the encoder's stage of that scale joins and a second one follows."""

    def __init__(self, channels_in: int, channels_skip: int) -> None:
        super().__init__()
        self.up = nn.Conv2d(channels_in, channels_skip, 3, padding=1)
        self.merge = nn.Conv2d(2 * channels_skip, channels_skip, 3, padding=1)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """Takes (N, channels_in, h, w) and (N, channels_skip, ~2h, ~2w), gives (N, channels_skip, ~2h, ~2w)."""
        up = F.relu(self.up(F.interpolate(deep, size=skip.shape[-2:], mode="nearest")))
        return F.relu(self.merge(torch.cat([up, skip], dim=1)))


class Network(nn.Module):
    """U-Net on any encoder with feature maps at 1/2, 1/4, 1/8, 1/16 and 1/32.

    No batch norm in the decoder. New convolutions start from N(0, sqrt(2 / (k·k·out))) with zero bias, as in the
    winner's code.
    """

    def __init__(self, encoder: nn.Module, stages: list[int]) -> None:
        super().__init__()
        self.encoder = encoder
        self.blocks = nn.ModuleList(
            UpBlock(deep, skip) for deep, skip in zip(stages[:0:-1], stages[-2::-1], strict=True)
        )
        self.full = nn.Conv2d(stages[0], HEAD_CHANNELS, 3, padding=1)
        self.head = nn.Conv2d(HEAD_CHANNELS, 1, 3, padding=1)
        for module in (*self.blocks, self.full, self.head):
            for layer in module.modules():
                if isinstance(layer, nn.Conv2d):
                    start_anew(layer)

    def forward(self, image: Tensor) -> Tensor:
        """Takes (N, C, H, W) float, gives logits (N, 1, H, W)."""
        *skips, deep = self.encoder(image)
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            deep = block(deep, skip)
        full = F.relu(self.full(F.interpolate(deep, size=image.shape[-2:], mode="nearest")))
        return self.head(full)


def build(encoder: str = "resnet34", decoder: str = "unet", channels: int = 4, weights: str | None = None) -> nn.Module:
    """Builds the network.

    Args:
        encoder: any model of timm with feature maps at five scales, e.g. resnet34, resnet50, tf_efficientnet_lite0.
        decoder: `unet`, the winner's.
        channels: of the input: 3 (RGB) or 4 (RGB and height).
        weights: the encoder's, as `weights.load_encoder` takes them: `imagenet`, `package`, a file; None for random.

    Returns:
        A module from (N, channels, H, W) to logits (N, 1, H, W). resnet34 with 4 channels has 24,514,753 parameters.

    Raises:
        InputError: the encoder or decoder is unknown, or has no such feature maps, or its weights can't be had.
    """
    if decoder not in DECODERS:
        raise InputError(f"configuration: model.decoder is {decoder!r}; known: {', '.join(DECODERS)}")
    try:
        body = timm.create_model(encoder, features_only=True, in_chans=channels)
    except (RuntimeError, AttributeError, ValueError) as error:
        raise InputError(
            f"configuration: model.encoder is {encoder!r}: {error}; "
            "name a model of timm with feature maps, e.g. resnet34"
        ) from error
    scales: Any = body.feature_info
    reductions = scales.reduction()
    if reductions != [2, 4, 8, 16, 32]:
        raise InputError(
            f"configuration: model.encoder is {encoder!r}, with feature maps at 1/{', 1/'.join(map(str, reductions))}; "
            "the decoder needs 1/2, 1/4, 1/8, 1/16 and 1/32"
        )
    if weights not in (None, "none"):
        load_encoder(body, encoder, weights, channels)
    return Network(body, scales.channels())


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """The convolution that sees the input, and its name."""
    return next((name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d))


def with_height(network: nn.Module, encoder: str, decoder: str = "unet") -> nn.Module:
    """Gives a network that has seen RGB a fourth input channel, as the winner did.

    The first convolution and its batch norm start anew; everything else is kept.

    Args:
        network: of 3 channels, as `build` made it.
        encoder: its encoder.
        decoder: its decoder.

    Returns:
        A network of 4 channels.
    """
    wider = build(encoder, decoder, channels=4)
    anew, convolution = first_convolution(wider)
    start_anew(convolution)
    layers = list(wider.named_modules())
    after = next(name for name, layer in layers if isinstance(layer, nn.BatchNorm2d))
    kept = {
        name: value for name, value in network.state_dict().items() if not name.startswith((f"{anew}.", f"{after}."))
    }
    wider.load_state_dict(kept, strict=False)
    return wider


def start_anew(convolution: nn.Conv2d) -> None:
    """Fills a convolution from N(0, sqrt(2 / (k·k·out))), its bias with zero."""
    spread = math.sqrt(2 / (convolution.kernel_size[0] * convolution.kernel_size[1] * convolution.out_channels))
    nn.init.normal_(convolution.weight, 0.0, spread)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
