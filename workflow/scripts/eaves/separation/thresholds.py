"""Thresholds of the separation: which values apply, and which combinations are searched."""

import json
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from eaves.core.errors import InputError


class Thresholds(NamedTuple):
    """A combination of thresholds; `eaves.separation.watershed.separate` explains each value."""

    low: float
    high: float
    min_seed_px: int
    min_area_px: int


def resolve_thresholds(block: dict[str, Any], file: Path | None = None, **given: float | int | None) -> dict[str, Any]:
    """Return the values with which probabilities are separated.

    Args:
        block: The block `separate` of the configuration.
        file: chosen.json, whose values replace the configured ones; or None.
        given: Values that replace all others unless they are None.

    Returns:
        Arguments of `eaves.separation.watershed.separate`: the thresholds and `match_original`.

    Raises:
        InputError: The file cannot be read, or the configuration requires searched values and they are not given.
    """
    names = Thresholds._fields
    fixed = {name: value for name, value in given.items() if value is not None}
    if block.get("thresholds") == "searched" and file is None and len(fixed) < len(names):
        raise InputError(
            "configuration: separate.thresholds is searched: give --thresholds results/tuning/chosen.json, all of "
            + ", ".join(f"--{name.replace('_', '-')}" for name in names)
            + ", or set it to configured"
        )
    values = {name: block[name] for name in (*names, "match_original")}
    if file is not None:
        try:
            found = json.loads(file.read_text())["separation"]
            values |= {name: found[name] for name in names}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{file}: no chosen thresholds in it ({type(error).__name__}: {error}); `snakemake tuning` writes it"
            ) from error
    return values | fixed


def combinations(grid: dict[str, list[Any]], configured: dict[str, Any]) -> list[Thresholds]:
    """Return the combinations to search, which always include the configured one.

    Args:
        grid: Values to search for each threshold.
        configured: Configured value of each threshold; other keys are ignored.

    Returns:
        All combinations in ascending order, except those with `low` above `high`.
    """
    values = [sorted({*grid[name], configured[name]}) for name in Thresholds._fields]
    return [Thresholds(*found) for found in product(*values) if found[0] <= found[1]]
