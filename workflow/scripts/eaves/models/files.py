"""Models on disk: safetensors with the recipe that they were made by inside."""

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
    """Write a model: its weights and, as metadata, the recipe that it was made by.

    Args:
        path: a .safetensors file; it gets its name when it is whole and on the disk.
        network: the model.
        recipe: what `load_model` needs to build the network again, and what it was trained with; JSON.

    Raises:
        WriteError: it cannot be written.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    content = save(state, metadata={"eaves": json.dumps(recipe, sort_keys=True)})
    with atomic_write(path, len(content)) as temporary:
        temporary.write_bytes(content)
        check_readback(path, temporary.stat().st_size == len(content))


def read_model(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads a model's weights and recipe.

    Raises:
        InputError: the file is missing, damaged, or was not made by Eaves, or a weight is not finite.
    """
    recipe = read_recipe(path)
    state = load_file(path)
    check_finite(path, state)
    return state, recipe


def check_finite(path: Path, state: dict[str, Tensor]) -> None:
    """Refuses weights with which nothing can be computed.

    Args:
        path: the file that they come from.
        state: its tensors.

    Raises:
        InputError: one of them is NaN or infinite, also once it is float32, as networks are.
    """
    for name, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value.float()).all():
            raise InputError(
                f"{path}: its weights are not finite, e.g. {name}: the file is damaged, or its training went astray; "
                "copy it again, or train it again"
            )


def read_shapes(path: Path) -> dict[str, list[int]]:
    """Reads the shape of each tensor, without reading the tensors."""
    with safe_open(path, "pt") as opened:
        names = list(opened.keys())
        return {name: opened.get_slice(name).get_shape() for name in names}


def read_recipe(path: Path) -> dict[str, Any]:
    """Reads a model's recipe alone.

    Raises:
        InputError: the file is missing, damaged, or was not made by Eaves.
    """
    if not path.exists():
        raise InputError(f"{path}: no such model")
    try:
        with safe_open(path, "pt") as opened:
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a model ({error}); copy it again") from error
    if "eaves" not in metadata:
        raise InputError(f"{path}: no recipe inside; give models that Eaves has trained")
    try:
        recipe = json.loads(metadata["eaves"], parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: its recipe is not JSON; give models that Eaves has trained") from error
    if not isinstance(recipe, dict):
        raise InputError(f"{path}: its recipe is no table of keys and values; give models that Eaves has trained")
    return recipe


def _no_number(text: str) -> float:
    """Refuses NaN and infinities, which Python's JSON would allow."""
    raise ValueError(text)
