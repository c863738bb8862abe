"""The separation's thresholds: the values in force, and the combinations that a search goes through."""

import json
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from eaves.core.errors import InputError


class Thresholds(NamedTuple):
    """One combination; what each value means, `instances.separate` says."""

    low: float
    high: float
    min_seed_px: int
    min_area_px: int


def resolve_thresholds(block: dict[str, Any], file: Path | None = None, **given: float | int | None) -> dict[str, Any]:
    """Says by which values probabilities are separated.

    Args:
        block: the block `separate` of the configuration.
        file: chosen.json, whose values replace the configured ones.
        given: values that replace all others, where they are not None.

    Returns:
        The arguments of `instances.separate`: the thresholds and `match_original`.

    Raises:
        InputError: The file cannot be used, or the configuration wants tuned values and there are none.
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
    """Combines the values to be searched, the configured ones among them.

    Args:
        grid: the values of each threshold.
        configured: the value of each that is in force now; other keys do not matter.

    Returns:
        All combinations in ascending order, those with `low` above `high` left out.
    """
    values = [sorted({*grid[name], configured[name]}) for name in Thresholds._fields]
    return [Thresholds(*found) for found in product(*values) if found[0] <= found[1]]
