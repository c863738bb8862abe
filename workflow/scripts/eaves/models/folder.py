"""Find the model files in a folder."""

from pathlib import Path

from eaves.core.errors import InputError
from eaves.tiles.names import path_error


def find_models(folder: Path) -> list[Path]:
    """Return the model files in a folder, sorted.

    Raises:
        InputError: the folder does not exist, contains no model, or a path can't be used.
    """
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise InputError(
            f"{folder}: no models (*.safetensors) there; set `models` in the configuration to their folder"
        )
    if faults := [f"{path}: {fault}" for path in found if (fault := path_error(path))]:
        raise InputError("\n".join(faults))
    return found
