"""Find the models in a folder."""

from pathlib import Path

from eaves.core.errors import InputError
from eaves.tiles.names import path_error


def find_models(folder: Path) -> list[Path]:
    """The models in a folder, sorted.

    Raises:
        InputError: there is no such folder, or no model in it.
    """
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise InputError(f"{folder}: no models (*.safetensors) there; `models` in the configuration names their folder")
    if faults := [f"{path}: {fault}" for path in found if (fault := path_error(path))]:
        raise InputError("\n".join(faults))
    return found
