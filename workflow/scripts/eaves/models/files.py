"""Model files: weights in safetensors format, with the recipe that produced them as metadata."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from eaves.core.errors import InputError
from eaves.core.files import atomic_write, check_readback


def save_model(path: Path, network: nn.Module, recipe: dict[str, Any]) -> None:
    """Write a model file: weights and, as metadata, the recipe that produced them.

    Args:
        path: the .safetensors file to write, atomically.
        network: the model.
        recipe: what `network.load_model` needs to rebuild the network, and the training settings; JSON-serialisable.

    Raises:
        WriteError: the file cannot be written.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    content = save(state, metadata={"eaves": json.dumps(recipe, sort_keys=True)})
    with atomic_write(path, len(content)) as temporary:
        temporary.write_bytes(content)
        check_readback(path, temporary.stat().st_size == len(content))


def read_model(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a model's weights and recipe.

    Raises:
        InputError: the file is missing, damaged, or was not made by Eaves, or a weight is not finite.
    """
    recipe = read_recipe(path)
    state = load_file(path)
    check_finite(path, state)
    return state, recipe


def check_finite(path: Path, state: dict[str, Tensor]) -> None:
    """Check that all weights are finite.

    Args:
        path: the file that they were read from, for the message.
        state: its tensors by name.

    Raises:
        InputError: a weight is NaN or infinite, or becomes so when converted to float32.
    """
    for name, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value.float()).all():
            raise InputError(
                f"{path}: its weights are not finite, e.g. {name}: the file is damaged, or training diverged; "
                "copy the file again, or train again"
            )


def read_shapes(path: Path) -> dict[str, list[int]]:
    """Read the shape of each tensor by name, without reading the tensors."""
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        return {name: file.get_slice(name).get_shape() for name in names}


def read_recipe(path: Path) -> dict[str, Any]:
    """Read a model's recipe, without its weights.

    Raises:
        InputError: the file is missing, damaged, or was not made by Eaves.
    """
    if not path.exists():
        raise InputError(f"{path}: no such model")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a model ({error}); copy it again") from error
    if "eaves" not in metadata:
        raise InputError(f"{path}: no recipe inside; give models that Eaves has trained")
    try:
        recipe = json.loads(metadata["eaves"], parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: its recipe is not JSON; give models that Eaves has trained") from error
    if not isinstance(recipe, dict):
        raise InputError(f"{path}: its recipe is not a JSON object; give models that Eaves has trained")
    return recipe


def _reject_constant(text: str) -> float:
    """Reject NaN and infinity, which Python's JSON parser would accept."""
    raise ValueError(text)
