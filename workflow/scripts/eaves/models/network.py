"""The segmentation network: an encoder from timm and a decoder; one logit per pixel."""

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
from eaves.models.decoders import DECODERS, init_random
from eaves.models.files import read_model, read_recipe, read_shapes
from eaves.models.pretrained import load_encoder

HEAD_CHANNELS = 32  # of the convolutions between the encoder's first feature map and full resolution
HEIGHT_CHANNELS = ("random", "zero", "red", "mean")
# The part of a model file's recipe that is needed to build the network and scale its input, validated because the file
# may come from anywhere. The limits exclude infinity, which JSON can express (1e999).
RECIPE_SCHEMA = {
    "type": "object",
    "required": ["encoder", "decoder", "channels", "input"],
    "properties": {
        "encoder": {"type": "string"},
        "decoder": {"enum": list(DECODERS)},
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
    """An encoder with feature maps from 1/2 or 1/4 down to 1/32 of the image's size, and a decoder without batch norm.

    The decoder's convolutions are initialised by `init_random`, as in the winner's code.
    """

    def __init__(self, encoder: nn.Module, stages: list[int], first_scale: int, decoder: str) -> None:
        super().__init__()
        self.encoder = encoder
        block = DECODERS[decoder]
        self.blocks = nn.ModuleList(block(deep, skip) for deep, skip in zip(stages[:0:-1], stages[-2::-1], strict=True))
        widths = [stages[0], *[HEAD_CHANNELS] * int(math.log2(first_scale))]
        self.full = nn.ModuleList(nn.Conv2d(wide, out, 3, padding=1) for wide, out in pairwise(widths))
        self.head = nn.Conv2d(HEAD_CHANNELS, 1, 3, padding=1)
        for part in (self.blocks, self.full, self.head):
            for layer in part.modules():
                if isinstance(layer, nn.Conv2d):
                    init_random(layer)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, C, H, W) float to logits (N, 1, H, W)."""
        *skips, deep = self.encoder(image)
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            deep = block(deep, skip)
        for halvings, convolution in zip(reversed(range(len(self.full))), self.full, strict=True):
            size = [-(-side // 2**halvings) for side in image.shape[-2:]]
            deep = F.relu(convolution(F.interpolate(deep, size=size, mode="nearest")))
        return self.head(deep)


def build(
    encoder: str = "resnet34",
    decoder: str = "unet",
    channels: int = 4,
    weights: str | None = None,
    folder: Path | None = None,
) -> nn.Module:
    """Build a network.

    Args:
        encoder: any model of timm with feature maps down to 1/32, e.g. resnet34, inception_v3, convnext_tiny.
        decoder: `unet` (the winner's) or `linknet`.
        channels: number of input channels, 3 (RGB) or 4 (RGB and height).
        weights: of the encoder: `imagenet`, `package` or a file (see `load_encoder`); None for random ones.
        folder: searched for ImageNet weights before they are downloaded.

    Returns:
        A module that maps (N, channels, H, W) to logits (N, 1, H, W); 24,514,753 parameters for a resnet34 with 4
        channels.

    Raises:
        InputError: the encoder or decoder is unknown, the encoder's feature maps don't suit the decoder, or the weights
            can't be loaded.
    """
    if decoder not in DECODERS:
        raise InputError(f"configuration: model.decoder is {decoder!r}; known: {', '.join(DECODERS)}")
    try:
        with torch.device("meta"):
            _build_encoder(encoder, channels)  # refuse an unsuitable encoder before allocating its memory
    except ValueError as error:
        raise InputError(
            f"configuration: model.encoder is {encoder!r}: {error}; name a model of timm with feature maps, "
            "e.g. resnet34"
        ) from error
    body = _build_encoder(encoder, channels)
    if weights not in (None, "none"):
        load_encoder(body, encoder, weights, channels, folder)
    return _add_decoder(body, decoder)


def _build_encoder(encoder: str, channels: int) -> nn.Module:
    """Build an encoder without weights.

    Raises:
        ValueError: timm doesn't list it, or its feature maps don't suit the decoder.
    """
    # timm would access the internet (hf-hub:) or a local folder (local-dir:) for names that it doesn't list.
    if encoder not in timm.list_models() and encoder not in timm.list_pretrained():
        raise ValueError("timm lists no such model")
    try:
        body = timm.create_model(encoder, features_only=True, in_chans=channels)
    except (RuntimeError, AttributeError, ValueError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    feature_info: Any = body.feature_info
    reductions = feature_info.reduction()
    if reductions not in ([2, 4, 8, 16, 32], [4, 8, 16, 32]):
        raise ValueError(
            f"its feature maps are at 1/{', 1/'.join(map(str, reductions))}, but the decoder needs them at 1/4, 1/8, "
            "1/16 and 1/32, and at 1/2 if there are five"
        )
    return body


def _add_decoder(body: Any, decoder: str) -> Network:
    """Build the network of an encoder and a new decoder."""
    return Network(body, body.feature_info.channels(), body.feature_info.reduction()[0], decoder)


def load_model(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Build the network described by a model file's recipe and load its weights.

    The file may come from anywhere, so the recipe is validated, and compared with the shapes of the weights, before any
    memory is allocated for the network.

    Args:
        path: a .safetensors file written by Eaves.

    Returns:
        The network, on the CPU, and the recipe: encoder, decoder, channels, input, and the training settings.

    Raises:
        InputError: the file is missing or damaged, its recipe is invalid, its weights are not finite, or they don't fit
            the network that this version builds.
    """
    recipe = _read_valid_recipe(path)
    encoder, decoder, channels = recipe["encoder"], recipe["decoder"], int(recipe["channels"])
    try:
        with torch.device("meta"):
            expected = _add_decoder(_build_encoder(encoder, channels), decoder)
    except ValueError as error:
        raise InputError(
            f"{path}: its recipe names the encoder {encoder!r}: {error}; give models that Eaves has trained"
        ) from error
    if read_shapes(path) != {name: list(value.shape) for name, value in expected.state_dict().items()}:
        raise InputError(
            f"{path}: its weights do not fit the {encoder} {decoder} of this version of Eaves; "
            "use the version that trained the model, or train it again"
        )
    state, _ = read_model(path)
    network = build(encoder, decoder, channels)
    network.load_state_dict(state)
    return network, recipe


def _read_valid_recipe(path: Path) -> dict[str, Any]:
    """Read a model's recipe and validate it against `RECIPE_SCHEMA`.

    Raises:
        InputError: the file is missing or damaged, or the recipe is invalid.
    """
    recipe = read_recipe(path)
    fault = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(RECIPE_SCHEMA).iter_errors(recipe))
    if fault:
        where = ".".join(["recipe", *map(str, fault.absolute_path)])
        raise InputError(f"{path}: its {where} can't be used: {fault.message}; give models that Eaves has trained")
    return recipe


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """Return the name and module of the convolution that is applied to the input."""
    return next((name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d))


def add_height_channel(
    network: nn.Module, encoder: str, decoder: str = "unet", height_channel: str = "random"
) -> nn.Module:
    """Return a network of four input channels, RGB and height, with the weights of a network of three.

    Args:
        network: a network of 3 channels, built by `build`.
        encoder: name of its encoder.
        decoder: name of its decoder.
        height_channel: initial weights of the first convolution. `random`, the winner's choice, initialises the whole
            convolution and its batch norm at random. Otherwise both keep their weights for RGB, and the height gets
            `zero` weights (as in the challenge's second place), those of `red` (fifth place), or the `mean` of the
            colours'. All other layers keep their weights.

    Returns:
        A new network of 4 channels.

    Raises:
        InputError: `height_channel` is unknown.
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
