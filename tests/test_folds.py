"""Folds: scikit-learn's own over the sorted list, and neighbours kept together where that is asked for."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold
from toy import CONFIG, SCRIPTS, run_script

from eaves.core.errors import InputError
from eaves.tiles.folds import assign
from eaves.training.fold import load_tiles

NAMES = [f"{city}_Tile_{number:03d}" for city in ("TAM", "JAX", "RIC") for number in range(14)]


def test_random_folds_are_those_of_scikit_learn_over_the_sorted_list():
    expected = np.empty(len(NAMES), int)
    for fold, (_, held_out) in enumerate(KFold(5, shuffle=True, random_state=42).split(NAMES)):
        expected[held_out] = fold
    np.testing.assert_array_equal(assign(sorted(NAMES), 5, 42), expected)
    assert not np.array_equal(assign(sorted(NAMES), 5, 43), expected)


@pytest.mark.parametrize("by", ["random", "groups", "blocks"])
def test_the_order_of_the_tiles_does_not_matter(by):
    centres = np.random.default_rng(1).uniform(-5000, 5000, (len(NAMES), 2))
    options = {"by": by, "group_pattern": r"_(\d+)$", "block_m": 2000}
    folds = dict(zip(NAMES, assign(NAMES, 3, 42, centres=centres, **options), strict=True))
    assert set(folds.values()) == {0, 1, 2}
    order = np.random.default_rng(2).permutation(len(NAMES))
    shuffled = [NAMES[number] for number in order]
    again = assign(shuffled, 3, 42, centres=centres[order], **options)
    assert dict(zip(shuffled, again, strict=True)) == folds


@pytest.mark.parametrize(("pattern", "groups"), [("^([^_]+)_", 3), ("^[A-Z]", 3), (r"(\d)$", 10)])
def test_groups_stay_together(pattern, groups):
    folds = assign(NAMES, 3, 42, "groups", pattern)
    cut = {"^([^_]+)_": lambda name: name[:3], "^[A-Z]": lambda name: name[0], r"(\d)$": lambda name: name[-1]}[pattern]
    pairs = {(cut(name), fold) for name, fold in zip(NAMES, folds, strict=True)}
    assert len(pairs) == groups
    assert {fold for _, fold in pairs} == {0, 1, 2}


def test_blocks_stay_together():
    # Three squares of 100 m, one of them left of the origin; 1 m apart across an edge is another square.
    centres = np.array([[1, 1], [99, 99], [-1, 1], [-99, 99], [101, 1], [199, 50]])
    folds = assign(list("abcdef"), 3, 42, "blocks", "", 100, centres)
    assert folds[0] == folds[1]
    assert folds[2] == folds[3]
    assert folds[4] == folds[5]
    assert len(set(folds)) == 3


def test_tiles_named_by_digits_keep_their_names(tmp_path):
    names = ["007", "010", "1e3"]
    table, joined, folds = (tmp_path / f"{name}.csv" for name in ("batch", "tiles", "folds"))
    found = {"tile": names, "set": "train", "buildings": 1, "image_sha256": "a", "truth_sha256": "b"}
    pd.DataFrame(found).to_csv(table, index=False)
    settings = json.dumps({"split": CONFIG["split"] | {"folds": 3}})
    for arguments in (
        ("catalogue.py", "--output", joined, table),
        ("split.py", "--output", folds, "--tiles-dir", tmp_path, "--settings", settings, table),
    ):
        done = run_script(SCRIPTS / arguments[0], *arguments[1:])
        assert done.returncode == 0, done.stderr
    for made in (joined, folds):
        assert [line.split(",")[0] for line in made.read_text().splitlines()[1:]] == names
    with pytest.raises(InputError, match=r"007_image\.tif: cannot be mapped"):
        load_tiles(folds, tmp_path, 0)
