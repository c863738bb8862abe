"""The network is the winner's, and takes images of any size."""

import json
import math

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from eaves.core.errors import InputError
from eaves.models.files import save_model
from eaves.models.network import _add_decoder, add_height_channel, build, first_convolution, load_model

RECIPE = {
    "encoder": "test_resnet",
    "decoder": "unet",
    "channels": 4,
    "input": {"rgb_mean": 0, "rgb_divisor": 255, "height_divisor_m": 9},
}


@pytest.fixture(scope="module")
def winner():
    torch.manual_seed(1)
    return build("resnet34", "unet", channels=4)


def convolutions(module):
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


def test_the_winners_network_has_as_many_parameters(winner):
    assert sum(parameter.numel() for parameter in winner.parameters()) == 24_514_753


def test_the_decoder_is_the_winners(winner):
    decoder = [*winner.blocks, *winner.full, winner.head]
    shapes = [(c.in_channels, c.out_channels) for part in decoder for c in convolutions(part)]
    steps = [(512, 256), (512, 256), (256, 128), (256, 128), (128, 64), (128, 64), (64, 64), (128, 64)]
    assert shapes == [*steps, (64, 32), (32, 1)]
    assert not [layer for part in decoder for layer in part.modules() if isinstance(layer, nn.BatchNorm2d)]
    for convolution in (c for part in decoder for c in convolutions(part)):
        expected = math.sqrt(2 / (9 * convolution.out_channels))
        count = convolution.weight.numel()
        assert convolution.weight.std().item() == pytest.approx(expected, rel=4 / math.sqrt(2 * count))
        assert abs(convolution.weight.mean().item()) < 4 * expected / math.sqrt(count)
        assert not convolution.bias.any()


@pytest.mark.parametrize("encoder", ["resnet34", "tf_efficientnet_lite0"])
def test_with_heights_the_first_layer_starts_anew_and_all_else_is_kept(encoder):
    network = build(encoder, channels=3)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(3)  # nothing as it starts
    wider = add_height_channel(network, encoder)
    before, after = network.state_dict(), wider.state_dict()
    assert before.keys() == after.keys()
    anew = {name for name in after if before[name].shape != after[name].shape or not before[name].equal(after[name])}
    first = list(after)[: len(anew)]
    assert anew == set(first)
    assert sorted(name.split(".")[-1] for name in anew) == sorted(
        ["weight", "weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    )
    _, convolution = first_convolution(wider)
    assert convolution.in_channels == 4
    spread = math.sqrt(2 / (convolution.kernel_size[0] ** 2 * convolution.out_channels))
    assert convolution.weight.std().item() == pytest.approx(spread, rel=0.1)
    for name in anew - {next(iter(after))}:
        assert set(after[name].flatten().tolist()) == {1.0 if name.endswith(("weight", "running_var")) else 0.0}


@pytest.mark.parametrize("encoder", ["resnet34", "tf_efficientnet_lite0"])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (33, 70), (101, 47)])
def test_logits_have_the_size_of_the_image(winner, encoder, height, width):
    network = winner if encoder == "resnet34" else build(encoder)
    with torch.no_grad():
        logits = network.eval()(torch.zeros(2, 4, height, width))
    assert logits.shape == (2, 1, height, width)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(("height_channel", "weight"), [("zero", 0), ("red", 5), ("mean", 7)])
def test_a_height_channel_beside_the_colours_starts_as_asked(height_channel, weight):
    network = build("test_resnet", channels=3)
    name, convolution = first_convolution(network)
    with torch.no_grad():
        for channel, value in enumerate((5, 6, 10)):
            convolution.weight[:, channel] = value
    wider = add_height_channel(network, "test_resnet", height_channel=height_channel)
    first = wider.state_dict()[f"{name}.weight"]
    assert first[:, :3].equal(convolution.weight)
    assert (first[:, 3] == weight).all()
    for key, value in network.state_dict().items():
        assert key == f"{name}.weight" or wider.state_dict()[key].equal(value)


def test_a_model_comes_back_from_its_file_and_one_of_another_version_is_named(tmp_path):
    network, path = build("test_resnet"), tmp_path / "fold-0.safetensors"
    recipe = RECIPE
    save_model(path, network, recipe)
    restored, found = load_model(path)
    assert found == recipe
    assert all(restored.state_dict()[name].equal(value) for name, value in network.state_dict().items())
    save_model(path, network, recipe | {"decoder": "linknet"})
    with pytest.raises(InputError, match=r"fold-0\.safetensors: its weights do not fit the test_resnet linknet"):
        load_model(path)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("{", "its recipe is not JSON"),
        ("[" * 100_000, "its recipe is not JSON"),
        ('{"channels": NaN}', "its recipe is not JSON"),
        ([RECIPE], "its recipe is not a JSON object"),
        ({}, "its recipe can't be used: 'encoder' is a required property"),
        (RECIPE | {"channels": 7}, r"its recipe.channels can't be used: 7 is not one of \[3, 4\]"),
        (RECIPE | {"channels": "4"}, "its recipe.channels can't be used"),
        (RECIPE | {"encoder": ["resnet34"]}, "its recipe.encoder can't be used: .* is not of type 'string'"),
        (RECIPE | {"decoder": "fpn"}, "its recipe.decoder can't be used"),
        (RECIPE | {"input": {}}, "its recipe.input can't be used: 'rgb_mean' is a required property"),
        (RECIPE | {"input": RECIPE["input"] | {"rgb_divisor": 0}}, "its recipe.input.rgb_divisor can't be used"),
        (json.dumps(RECIPE).replace("255", "1e999"), "its recipe.input.rgb_divisor can't be used"),
        (RECIPE | {"encoder": "hf-hub:timm/test_resnet.r160_in1k"}, "'hf-hub:timm/.*': timm lists no such model"),
        (RECIPE | {"encoder": "local-dir:/tmp/model"}, "'local-dir:/tmp/model': timm lists no such model"),
        (RECIPE | {"encoder": "vit_base_patch16_224"}, "feature maps are at 1/16, 1/16"),
        (RECIPE | {"encoder": "convnextv2_huge"}, "its weights do not fit the convnextv2_huge unet"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_one_line_that_names_the_file(tmp_path, monkeypatch, recipe, said):
    path = tmp_path / "fold-0.safetensors"
    metadata = {"eaves": recipe if isinstance(recipe, str) else json.dumps(recipe)}
    save_file(build("test_resnet").state_dict(), path, metadata=metadata)

    def built(*arguments):
        raise AssertionError("memory was taken for it")

    monkeypatch.setattr("eaves.models.network.build", built)
    with pytest.raises(InputError, match=f"{path}: .*{said}") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoder", ["hf-hub:timm/test_resnet.r160_in1k", "local-dir:/tmp/model", "resnet35"])
def test_an_encoder_that_the_library_does_not_list_is_named(encoder):
    with pytest.raises(InputError, match=f"configuration: model.encoder is '{encoder}': timm lists no such model; "):
        build(encoder)


def test_an_encoder_that_cannot_be_used_takes_no_memory(monkeypatch):
    """It is refused by its shapes: nothing but tensors without memory is made."""
    made, create = [], timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *a, **b: made.append(create(*a, **b)) or made[-1])
    with pytest.raises(InputError, match=r"configuration: model.encoder is 'vit_base_patch16_224': .* e.g. resnet34"):
        build("vit_base_patch16_224")
    assert {parameter.device.type for body in made for parameter in body.parameters()} == {"meta"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_whose_weights_are_not_finite_is_named(tmp_path, value):
    network, path = build("test_resnet"), tmp_path / "fold-0.safetensors"
    with torch.no_grad():
        network.head.bias[0] = value
    save_model(path, network, RECIPE)
    with pytest.raises(InputError, match=rf"{path}: its weights are not finite, e.g. head\.bias"):
        load_model(path)


def test_what_is_built_does_not_depend_on_the_trial_without_memory():
    """The trial draws no random numbers: the network starts as if there had been none."""
    torch.manual_seed(1)
    body = timm.create_model("test_resnet", features_only=True, in_chans=4)
    expected = _add_decoder(body, "unet").state_dict()
    torch.manual_seed(1)
    found = build("test_resnet").state_dict()
    assert all(value.equal(expected[name]) for name, value in found.items())


def test_every_parameter_learns(winner):
    winner.train()(torch.randn(2, 4, 64, 64)).square().mean().backward()
    assert not [name for name, parameter in winner.named_parameters() if parameter.grad is None]
    winner.zero_grad()
