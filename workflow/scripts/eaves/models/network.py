"""The network: an encoder from the model library, the winner's decoder on top, one logit per pixel."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eaves.core.errors import InputError
from eaves.models.decoders import BLOCKS, init_random
from eaves.models.files import read_model, read_recipe, read_shapes
from eaves.models.pretrained import load_encoder

HEAD_CHANNELS = 32  # of the convolutions from the encoder's first stage up to full resolution
HEIGHT_CHANNELS = ("random", "zero", "red", "mean")
# What a model's recipe has to say, so that the network can be built and its input scaled. A file from elsewhere may
# say anything. The limits keep infinity out, which JSON's numbers can express.
RECIPE = {
    "type": "object",
    "required": ["encoder", "decoder", "channels", "input"],
    "properties": {
        "encoder": {"type": "string"},
        "decoder": {"enum": list(BLOCKS)},
        "channels": {"type": "integer", "enum": [3, 4]},
        "input": {
            "type": "object",
            "required": ["rgb_mean", "rgb_divisor", "height_divisor_m"],
            "properties": {
                "rgb_mean": {"type": "number", "minimum": -1e9, "maximum": 1e9},
                "rgb_divisor": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9},
                "height_divisor_m": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9},
            },
        },
        "made_with": {"type": ["object", "null"]},
    },
}


class Network(nn.Module):
    """A decoder on any encoder whose feature maps halve from 1/2 or 1/4 down to 1/32.

    No batch norm in the decoder. New convolutions start from N(0, sqrt(2 / (k·k·out))) with zero bias, as in the
    winner's code.
    """

    def __init__(self, encoder: nn.Module, stages: list[int], first_scale: int, decoder: str) -> None:
        super().__init__()
        self.encoder = encoder
        block = BLOCKS[decoder]
        self.blocks = nn.ModuleList(block(deep, skip) for deep, skip in zip(stages[:0:-1], stages[-2::-1], strict=True))
        widths = [stages[0], *[HEAD_CHANNELS] * int(math.log2(first_scale))]
        self.full = nn.ModuleList(nn.Conv2d(wide, out, 3, padding=1) for wide, out in pairwise(widths))
        self.head = nn.Conv2d(HEAD_CHANNELS, 1, 3, padding=1)
        for part in (self.blocks, self.full, self.head):
            for layer in part.modules():
                if isinstance(layer, nn.Conv2d):
                    init_random(layer)

    def forward(self, image: Tensor) -> Tensor:
        """Takes (N, C, H, W) float, gives logits (N, 1, H, W)."""
        *skips, deep = self.encoder(image)
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            deep = block(deep, skip)
        for left, convolution in zip(reversed(range(len(self.full))), self.full, strict=True):
            size = [-(-side // 2**left) for side in image.shape[-2:]]
            deep = F.relu(convolution(F.interpolate(deep, size=size, mode="nearest")))
        return self.head(deep)


def build(
    encoder: str = "resnet34",
    decoder: str = "unet",
    channels: int = 4,
    weights: str | None = None,
    folder: Path | None = None,
) -> nn.Module:
    """Builds the network.

    Args:
        encoder: any model of timm with feature maps down to 1/32, e.g. resnet34, inception_v3, convnext_tiny.
        decoder: `unet`, the winner's, or `linknet`.
        channels: of the input: 3 (RGB) or 4 (RGB and height).
        weights: the encoder's: `imagenet`, `package` or a file (see `encoder_weights`); None for random.
        folder: where files for `imagenet` lie that were downloaded elsewhere.

    Returns:
        A module from (N, channels, H, W) to logits (N, 1, H, W). resnet34 with 4 channels has 24,514,753 parameters.

    Raises:
        InputError: the encoder or decoder is unknown, or has no such feature maps, or its weights can't be had.
    """
    if decoder not in BLOCKS:
        raise InputError(f"configuration: model.decoder is {decoder!r}; known: {', '.join(BLOCKS)}")
    try:
        with torch.device("meta"):
            _body(encoder, channels)  # an encoder that cannot be used is known before its memory is taken
    except ValueError as fault:
        raise InputError(
            f"configuration: model.encoder is {encoder!r}: {fault}; name a model of timm with feature maps, "
            "e.g. resnet34"
        ) from fault
    body = _body(encoder, channels)
    if weights not in (None, "none"):
        load_encoder(body, encoder, weights, channels, folder)
    return _joined(body, decoder)


def _body(encoder: str, channels: int) -> nn.Module:
    """Builds an encoder.

    Raises:
        ValueError: the model library doesn't list it, or the decoder can't use its feature maps.
    """
    # Other names would make timm ask the network (hf-hub:) or read a folder (local-dir:).
    if encoder not in timm.list_models() and encoder not in timm.list_pretrained():
        raise ValueError("timm lists no such model")
    try:
        body = timm.create_model(encoder, features_only=True, in_chans=channels)
    except (RuntimeError, AttributeError, ValueError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    scales: Any = body.feature_info
    reductions = scales.reduction()
    if reductions not in ([2, 4, 8, 16, 32], [4, 8, 16, 32]):
        raise ValueError(
            f"its feature maps are at 1/{', 1/'.join(map(str, reductions))}, but the decoder needs them at 1/4, 1/8, "
            "1/16 and 1/32, and at 1/2 if there are five"
        )
    return body


def _joined(body: Any, decoder: str) -> Network:
    """Puts a decoder on an encoder."""
    return Network(body, body.feature_info.channels(), body.feature_info.reduction()[0], decoder)


def restore(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Builds a model as the recipe inside its file says, and puts its weights in.

    The file may come from anywhere: nothing is built that its weights don't fit, and no memory is taken before that is
    known.

    Args:
        path: a .safetensors file that Eaves has written.

    Returns:
        The network, on the CPU, and the recipe: encoder, decoder, channels, input, and what it was trained with.

    Raises:
        InputError: the file is missing or damaged, its recipe can't be used, its weights are not finite, or it is of a
            version whose networks were others.
    """
    recipe = _checked_recipe(path)
    encoder, decoder, channels = recipe["encoder"], recipe["decoder"], int(recipe["channels"])
    try:
        with torch.device("meta"):
            planned = _joined(_body(encoder, channels), decoder)
    except ValueError as fault:
        raise InputError(
            f"{path}: its recipe names the encoder {encoder!r}: {fault}; give models that Eaves has trained"
        ) from fault
    if read_shapes(path) != {name: list(value.shape) for name, value in planned.state_dict().items()}:
        raise InputError(
            f"{path}: its weights do not fit the {encoder} {decoder} of this version of Eaves; "
            "use the version that trained it, or train it again"
        )
    state, _ = read_model(path)
    network = build(encoder, decoder, channels)
    network.load_state_dict(state)
    return network, recipe


def _checked_recipe(path: Path) -> dict[str, Any]:
    """Reads the recipe of a model that can be built by it.

    Raises:
        InputError: the file is missing or damaged, or something is missing from the recipe or can't be used.
    """
    recipe = read_recipe(path)
    fault = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(RECIPE).iter_errors(recipe))
    if fault:
        where = ".".join(["recipe", *map(str, fault.absolute_path)])
        raise InputError(f"{path}: its {where} can't be used: {fault.message}; give models that Eaves has trained")
    return recipe


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """The convolution that sees the input, and its name."""
    return next((name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d))


def with_height(network: nn.Module, encoder: str, decoder: str = "unet", height_channel: str = "random") -> nn.Module:
    """Gives a network that has seen RGB a fourth input channel.

    Args:
        network: of 3 channels, as `build` made it.
        encoder: its encoder.
        decoder: its decoder.
        height_channel: how the first convolution starts. `random`, the winner's: it and its batch norm start at random.
            Else both are kept for RGB, and the weights of the height are `zero` (as the challenge's second had it),
            those of `red` (the fifth), or the `mean` of the three colours'. Everything after is kept in any case.

    Returns:
        A network of 4 channels.
    """
    if height_channel not in HEIGHT_CHANNELS:
        raise InputError(
            f"configuration: train.height_channel is {height_channel!r}; known: {', '.join(HEIGHT_CHANNELS)}"
        )
    wider = build(encoder, decoder, channels=4)
    name, convolution = first_convolution(wider)
    kept = dict(network.state_dict())
    rgb = kept.pop(f"{name}.weight")
    if height_channel == "random":
        init_random(convolution)
        norm = next((name for name, layer in wider.named_modules() if isinstance(layer, nn.BatchNorm2d)), name)
        kept = {key: value for key, value in kept.items() if not key.startswith((f"{name}.", f"{norm}."))}
    else:
        height = {"zero": torch.zeros_like(rgb[:, :1]), "red": rgb[:, :1], "mean": rgb.mean(1, keepdim=True)}
        kept[f"{name}.weight"] = torch.cat([rgb, height[height_channel]], dim=1)
    wider.load_state_dict(kept, strict=False)
    return wider
