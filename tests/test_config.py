"""The configuration and its overlays hold against the schema; what is wrong with one is in test_bad_input."""

import json

import pytest
import yaml
from toy import CONFIG, OVERLAY, PROJECT_ROOT, merged

from eaves.core import config
from eaves.core.errors import InputError

RECIPES = sorted((PROJECT_ROOT / "workflow" / "recipes").glob("*.yaml"))


def keys_of(block, place=""):
    return {f"{place}{key}" for key in block} | {
        inner for key, value in block.items() if isinstance(value, dict) for inner in keys_of(value, f"{place}{key}.")
    }


def test_the_configuration_is_valid():
    config.check(CONFIG)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_a_valid_overlay(recipe):
    overlay = yaml.safe_load(recipe.read_text())
    config.check(merged(CONFIG, overlay))


def test_there_are_recipes():
    assert "quickstart" in [path.stem for path in RECIPES]


def test_the_schema_and_the_configuration_have_the_same_keys():
    schema = yaml.safe_load(config.SCHEMA.read_text())

    def keys(part, place=""):
        names = part.get("properties", {})
        return {f"{place}{name}" for name in names} | {
            inner for name, value in names.items() for inner in keys(value, f"{place}{name}.")
        }

    scenes = {f"scenes.{key}" for key in OVERLAY["scenes"]}  # null as a rule
    assert keys(schema) == keys_of(CONFIG) | scenes


def test_every_key_has_a_comment_in_the_configuration():
    lines = (PROJECT_ROOT / "config.yaml").read_text().splitlines()
    for key in ("crop_px", "lr", "low", "window", "iou_threshold", "encoder"):
        assert any(line.strip().startswith(f"{key}:") and "#" in line for line in lines), key


def test_a_script_takes_its_blocks_from_json_a_file_or_the_configuration(tmp_path):
    changed = merged(CONFIG, {"score": {"iou_threshold": 0.5}})
    file = tmp_path / "mine.yaml"
    file.write_text("score: {iou_threshold: 0.5}")  # laid over the repository's configuration
    assert config.section(None, "score") == {"score": CONFIG["score"]}
    assert config.section(str(file), "score", "split") == {"score": changed["score"], "split": CONFIG["split"]}
    assert config.section(json.dumps({"score": {"a": 1}, "split": {}}), "score") == {"score": {"a": 1}}


def test_settings_that_a_script_cannot_use_are_refused(tmp_path):
    file = tmp_path / "mine.yaml"
    for text, said in (
        (None, "No such file"),
        ("a: [", "cannot be read"),
        ("score: {iou_threshold: 2}", "score.iou_threshold is 2"),
    ):
        if text is not None:
            file.write_text(text)
        with pytest.raises(InputError, match=said):
            config.section(str(file), "score")
    with pytest.raises(InputError, match="no block score"):
        config.section("{}", "score")
