"""Record package versions, and read from a model's file in which environment it was trained."""

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# The runtime packages of envs/requirements.in that scripts import, as import name: name of the distribution.
PACKAGES = {
    "cv2": "opencv-python-headless",
    "filelock": "filelock",
    "geopandas": "geopandas",
    "jsonschema": "jsonschema",
    "numba": "numba",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "pydantic": "pydantic",
    "pyogrio": "pyogrio",
    "rasterio": "rasterio",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "shapely": "shapely",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "tensorboard": "tensorboard",
    "tifffile": "tifffile",
    "timm": "timm",
    "torch": "torch",
    "torchvision": "torchvision",
    "tqdm": "tqdm",
}


def packages(*names: str) -> dict[str, str]:
    """Return the versions of Python and of packages.

    Args:
        names: their import names (default: the packages in `PACKAGES` that this process has imported).

    Returns:
        The version of each distribution, sorted by name; `python` is among them.
    """
    found = {"python": platform.python_version()}
    for name in names or [name for name in PACKAGES if name in sys.modules]:
        try:
            found[PACKAGES[name]] = version(PACKAGES[name])
        except PackageNotFoundError:  # installed under another distribution name, e.g. conda's opencv
            found[PACKAGES[name]] = str(getattr(sys.modules.get(name), "__version__", "unknown"))
    return dict(sorted(found.items()))


def of_model(path: Path) -> dict[str, Any] | None:
    """Read the packages and the device that a model was trained with from the model's own metadata.

    Args:
        path: a .safetensors file.

    Returns:
        `packages`, and `device`, `name`, `precision` and others as in `devices.describe`; None where the file does
        not hold them.
    """
    from safetensors import SafetensorError, safe_open  # only here: `packages` lists what a job has imported

    try:
        with safe_open(path, "np") as opened:
            return json.loads((opened.metadata() or {})["eaves"]).get("made_with")
    except (SafetensorError, OSError, ValueError, KeyError):
        return None
