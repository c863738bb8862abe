"""Models that say what they are."""

import pytest
import torch
from safetensors.torch import save_file

from eaves.core.errors import InputError
from eaves.models.files import read_model, save_model
from eaves.models.network import build


def test_a_model_comes_back_with_its_recipe(tmp_path):
    network, recipe = build("test_resnet"), {"encoder": "test_resnet", "input": {"rgb_mean": 0}}
    path = tmp_path / "new" / "fold-0.safetensors"
    save_model(path, network, recipe)
    state, found = read_model(path)
    assert found == recipe
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_model_that_cannot_be_used_is_named(tmp_path):
    path = tmp_path / "fold-0.safetensors"
    with pytest.raises(InputError, match=f"{path}: no such model"):
        read_model(path)
    path.write_bytes(b"hello")
    with pytest.raises(InputError, match=f"{path}: cannot be read as a model .*copy it again"):
        read_model(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=f"{path}: no recipe inside; give models that Eaves has trained"):
        read_model(path)


def test_a_model_may_be_read_by_whoever_may_read_new_files(tmp_path):
    """Of a group that shares a cache of folds, say."""
    save_model(tmp_path / "fold-0.safetensors", torch.nn.Linear(2, 1), {})
    (tmp_path / "any").touch()
    assert (tmp_path / "fold-0.safetensors").stat().st_mode == (tmp_path / "any").stat().st_mode
