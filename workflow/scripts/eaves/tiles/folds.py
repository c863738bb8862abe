"""Assign training tiles to the folds of the cross-validation."""

import re

import numpy as np
from sklearn.model_selection import GroupKFold, KFold

from eaves.core.errors import InputError


def assign(
    names: list[str],
    folds: int,
    seed: int,
    by: str = "random",
    group_pattern: str = "",
    block_m: float = 1.0,
    centres: np.ndarray | None = None,
) -> np.ndarray:
    """Assign each tile to the fold that holds it out.

    Args:
        names: Names of the tiles; the result does not depend on their order.
        folds: Number of folds.
        seed: Seed of the shuffle.
        by: `random`: as the winning solution (scikit-learn's KFold, here over the sorted list). `groups`: tiles of one
            group, e.g. one city, stay together. `blocks`: tiles whose centres lie in one square of the plane stay
            together, so that no model is validated on tiles adjacent to its training tiles.
        group_pattern: A regular expression; the group is its first capture group, or else the whole match.
        block_m: Edge of the squares, metres (or the CRS's unit).
        centres: (N, 2) x and y of the tiles' centres, for `blocks`.

    Returns:
        (N,) int, 0..folds-1, in the order of `names`.

    Raises:
        InputError: There are fewer tiles, groups or blocks than folds, or the pattern does not match a name.
    """
    order = np.argsort(names)
    if by == "random":
        units = np.asarray(names, dtype=object)
    elif by == "groups":
        units = np.asarray([_group(name, group_pattern) for name in names], dtype=object)
    else:
        assert centres is not None
        squares = np.floor(np.asarray(centres) / block_m).astype(int)
        units = np.asarray([f"{x},{y}" for x, y in squares], dtype=object)
    found = len(set(units))
    if found < folds:
        what = {"random": "training tiles", "groups": "groups of training tiles", "blocks": "blocks of training tiles"}
        raise InputError(
            f"configuration: split.folds is {folds}, but there are only {found} {what[by]}; "
            "lower split.folds, add tiles" + ("" if by == "random" else f" or change split.{by[:-1]}_*")
        )
    splitter = (
        KFold(folds, shuffle=True, random_state=seed)
        if by == "random"
        else GroupKFold(folds, shuffle=True, random_state=seed)
    )
    assigned = np.empty(len(names), int)
    groups = None if by == "random" else units[order]
    for fold, (_, held_out) in enumerate(splitter.split(order, groups=groups)):
        assigned[order[held_out]] = fold
    return assigned


def group_of(name: str, pattern: str) -> str | None:
    """Return a tile's group, e.g. its city: the pattern's first capture group or whole match; None without a match.

    Example:
        >>> group_of("JAX_Tile_004", "^([^_]+)_")
        'JAX'
    """
    match = re.search(pattern, name)
    return match and (match.group(1) if match.groups() else match.group(0))


def _group(name: str, pattern: str) -> str:
    group = group_of(name, pattern)
    if group is None:
        raise InputError(f"configuration: split.group_pattern {pattern!r} does not match tile {name}; change it")
    return group
