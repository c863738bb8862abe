"""`make example`: tiles and a recipe to try the ways of use on."""

import subprocess

import pytest
import yaml
from toy import CONFIG, PROJECT_ROOT, SCRIPTS, merged, run_script, scene, write_tile

from eaves.core import config
from eaves.tiles import discovery

RECIPES = PROJECT_ROOT / "workflow" / "recipes"


def overlay():
    return merged(*(yaml.safe_load((RECIPES / f"{name}.yaml").read_text()) for name in ("quickstart", "example")))


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    (folder / "config.yaml").write_text((PROJECT_ROOT / "config.yaml").read_text())
    with pytest.MonkeyPatch.context() as patch:
        # One town for all tiles: drawing each its own would take a minute.
        patch.setattr("eaves.tiles.generate.make_scene", lambda seed, size, town, label_noise: scene(1, size))
        done = run_script(SCRIPTS / "example.py", cwd=folder)
        assert done.returncode == 0, done.stderr
        yield folder


def test_the_tiles_lie_as_the_challenges_and_are_enough(example):
    for name in ("train", "test"):
        found = discovery.find_tiles(example / "data" / name, truth_needed=True)
        assert len(found) == overlay()["scenes"][name]
        assert {path.parent.name for files in found.values() for path in (files.rgb, files.dsm)} == {"Inputs"}
        assert {path.parent.name for files in found.values() for path in (files.gti, files.gtl)} == {"GT"}
    written = yaml.safe_load((example / "config.yaml").read_text())
    discovery.check_enough(len(discovery.find_tiles(example / "data" / "train", True)), written["split"]["folds"])


def test_the_recipe_is_in_the_configuration_which_keeps_its_comments(example):
    written = yaml.safe_load((example / "config.yaml").read_text())
    assert written == merged(CONFIG, overlay(), {"scenes": None}) | {"scenes": None}
    config.check(written)
    before = (PROJECT_ROOT / "config.yaml").read_text().splitlines()
    after = (example / "config.yaml").read_text().splitlines()
    assert [line.partition("#")[2] for line in before] == [line.partition("#")[2] for line in after]
    changed = [old for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) < 25


def test_a_second_time_changes_nothing_and_other_tiles_are_left_alone(example, tmp_path):
    def content(folder):
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before = content(example)
    assert run_script(SCRIPTS / "example.py", cwd=example).returncode == 0
    assert content(example) == before

    (tmp_path / "config.yaml").write_text((PROJECT_ROOT / "config.yaml").read_text())
    write_tile(tmp_path / "data" / "test", "MINE_1")
    before = content(tmp_path)
    done = run_script(SCRIPTS / "example.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: data/test: contains other tiles, e.g. MINE_1; move them, or run the pipeline on them"
    ]
    assert content(tmp_path) == before


def test_make_lists_it():
    said = subprocess.run(["make", "help"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout
    assert "make example" in said
