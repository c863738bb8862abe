"""The configuration, its overlays, and what is generated from its models; faulty ones are in test_bad_input."""

import json
import re

import jsonschema
import pytest
import yaml
from toy import CONFIG, PROJECT_ROOT, SCRIPTS, merged

from eaves.core import code_hash, config
from eaves.core.config import reference
from eaves.core.config.blocks import Config
from eaves.core.config.validation import allowed, full_type, model_in
from eaves.core.errors import InputError

RECIPES = sorted((PROJECT_ROOT / "workflow" / "recipes").glob("*.yaml"))


def test_the_configuration_is_valid():
    config.check(CONFIG)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_a_valid_overlay(recipe):
    overlay = yaml.safe_load(recipe.read_text())
    config.check(merged(CONFIG, overlay))


def test_there_are_recipes():
    assert "quickstart" in [path.stem for path in RECIPES]


def test_the_models_and_the_configuration_have_the_same_keys_in_the_same_order():
    def keys(model, values):
        found = []
        for name, field in model.model_fields.items():
            inner = model_in(field.annotation)
            found.append((name, keys(inner, values[name]) if inner and values[name] else []))
        assert list(values) == [name for name, _ in found]
        return found

    assert keys(Config, CONFIG)


def test_every_key_has_a_comment_in_the_configuration():
    for line in (PROJECT_ROOT / "config.yaml").read_text().splitlines():
        if re.match(r" *\w+:", line):
            assert re.search(r"  # \S", line), line


def test_every_key_has_a_description_and_every_number_a_range():
    def check(model):
        assert model.__doc__
        for name, field in model.model_fields.items():
            if inner := model_in(field.annotation):
                check(inner)
            else:
                assert field.description, name
                assert "whole number" not in allowed(full_type(field)) or " to " in allowed(full_type(field)), name

    check(Config)


def test_the_generated_files_are_those_of_the_models():
    for path, text in ((reference.SCHEMA, reference.json_schema()), (reference.REFERENCE, reference.reference())):
        assert path.read_text() == text, f"{path.name} is not up to date: make schema"


def test_the_schema_for_editors_accepts_the_configuration_and_refuses_a_misspelled_key():
    schema = jsonschema.Draft202012Validator(json.loads(reference.SCHEMA.read_text()))
    assert schema.is_valid(CONFIG)
    assert not schema.is_valid(merged(CONFIG, {"separate": {"lwo": 0.2}}))
    assert not schema.is_valid(merged(CONFIG, {"sample": {"crop_px": 100}}))


def test_a_script_takes_its_blocks_from_json_a_file_or_the_configuration(tmp_path):
    changed = merged(CONFIG, {"score": {"iou_threshold": 0.5}})
    file = tmp_path / "mine.yaml"
    file.write_text("score: {iou_threshold: 0.5}")  # laid over the repository's configuration
    assert config.section(None, "score") == {"score": CONFIG["score"]}
    assert config.section(str(file), "score", "split") == {"score": changed["score"], "split": CONFIG["split"]}
    part = {"score": {"iou_threshold": 0.5}, "split": {}}  # a rule passes single keys of some blocks
    assert config.section(json.dumps(part), "score") == {"score": {"iou_threshold": 0.5}}


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
    for text, said in (
        ("{}", "no block score"),
        ("{", "not valid JSON"),
        ('{"score": {"iou_threshold": NaN}}', "score.iou_threshold is NaN"),
        ('{"score": {"iou_treshold": 0.5}}', "unknown key score.iou_treshold"),
        ('{"separate": {"low": "a"}, "scor": {}}', "unknown key scor;"),
    ):
        with pytest.raises(InputError, match=said):
            config.section(text, "score")


@pytest.mark.parametrize("script", ["train.py", "score.py"])
def test_the_description_of_a_key_is_no_part_of_a_scripts_code(script):
    """Otherwise a range that is widened would train all folds again."""
    files = {file.name for file, _ in code_hash.reachable(SCRIPTS / script)}
    assert "loading.py" in files
    assert not files & {"blocks.py", "validation.py", "reference.py"}
