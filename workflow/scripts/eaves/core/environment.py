"""With what a result was made: the versions of the packages in use and, for networks, the device.

No clock, host, user or path is in it: two equal runs on equal machines note the same.
"""

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# The runtime packages of envs/requirements.in that scripts import: by which name, and from which distribution.
PACKAGES = {
    "cv2": "opencv-python-headless",
    "filelock": "filelock",
    "geopandas": "geopandas",
    "jsonschema": "jsonschema",
    "numba": "numba",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
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
_NOTE = "made with: "  # begins the line in a job's log
_TAIL_BYTES = 1 << 16  # the note is in a log's last so many bytes


def packages(*names: str) -> dict[str, str]:
    """Gives the versions of Python and of packages.

    Args:
        names: as they are imported; none: those of `PACKAGES` that this process has imported.
    """
    found = {"python": platform.python_version()}
    for name in names or [name for name in PACKAGES if name in sys.modules]:
        try:
            found[PACKAGES[name]] = version(PACKAGES[name])
        except PackageNotFoundError:  # a distribution of another name, e.g. conda's opencv
            found[PACKAGES[name]] = str(getattr(sys.modules.get(name), "__version__", "unknown"))
    return dict(sorted(found.items()))


def note(log: Path, computed_on: dict[str, Any] | None) -> None:
    """Ends a job's log with what it was done with.

    Args:
        log: the log, written.
        computed_on: what `devices.describe` gives, where a network computed.
    """
    with log.open("a") as stream:
        stream.write(_NOTE + json.dumps({**(computed_on or {}), "packages": packages()}, sort_keys=True) + "\n")


def read_note(log: Path) -> dict[str, Any] | None:
    """Reads the note at a log's end; None where there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
        return next((json.loads(line[len(_NOTE) :]) for line in reversed(lines) if line.startswith(_NOTE)), None)
    except (OSError, ValueError):
        return None


def of_model(path: Path) -> dict[str, Any] | None:
    """Reads from a model what trained it: it is with it wherever it is copied, as a log is not.

    Args:
        path: a .safetensors file.

    Returns:
        As `read_note`; None where the file says nothing.
    """
    from safetensors import SafetensorError, safe_open  # else every job would seem to use it

    try:
        with safe_open(path, "np") as opened:
            return json.loads((opened.metadata() or {})["eaves"]).get("made_with")
    except (SafetensorError, OSError, ValueError, KeyError):
        return None
