"""Models on disk: safetensors with the recipe that they were made by inside."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from eaves.errors import InputError
from eaves.files import check, whole


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
    with whole(path, len(content)) as temporary:
        temporary.write_bytes(content)
        check(path, temporary.stat().st_size == len(content))


def read_model(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads a model's weights and recipe.

    Raises:
        InputError: the file is missing, damaged, or was not made by Eaves.
    """
    recipe = read_recipe(path)
    return load_file(path), recipe


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
    return json.loads(metadata["eaves"])
