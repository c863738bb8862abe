"""A network over a whole tile: any size, and windows that leave no trace."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from eaves.models import inference
from eaves.tiles.prepared import NODATA

INPUT = {"rgb_mean": 0, "rgb_divisor": 255, "height_divisor_m": 9}
CPU = torch.device("cpu")


def predict(network, image, window=2048, overlap=256, flips=True):
    settings = {"input": INPUT, "predict": {"window": window, "overlap": overlap, "flips": flips, "precision": "fp32"}}
    strips = list(inference.predict_strips(network.eval(), image, 4, settings, CPU))
    tops = np.cumsum([0, *(len(strip) for _, strip in strips)])
    assert [top for top, _ in strips] == tops[:-1].tolist()
    probability = np.concatenate([strip for _, strip in strips])
    assert (probability.shape, probability.dtype) == (image.shape[:2], np.float32)
    return probability


def noise(height, width, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4)).astype(np.int16)


def convolution(size, seed=1):
    torch.manual_seed(seed)
    return nn.Conv2d(4, 1, size, padding=size // 2)


class Constant(nn.Module):
    def forward(self, image):
        assert image.shape[-1] % inference.STRIDE_PX == image.shape[-2] % inference.STRIDE_PX == 0
        return torch.full_like(image[:, :1], 2.0)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (31, 70), (64, 64), (200, 65), (130, 333), (97, 400)])
@pytest.mark.parametrize("overlap", [0, 20, 31])
def test_a_constant_network_gives_a_constant_tile_of_any_size(height, width, overlap):
    probability = predict(Constant(), noise(height, width), window=64, overlap=overlap)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-2)), rtol=1e-6)


def test_a_network_of_single_pixels_does_not_see_windows():
    image = noise(300, 210)
    whole = predict(convolution(1), image)
    assert whole.std() > 0.01
    for window, overlap in ((64, 0), (64, 20), (128, 63), (224, 10)):
        np.testing.assert_allclose(predict(convolution(1), image, window, overlap), whole, atol=1e-6)


def test_windows_are_blended_so_that_their_edges_do_not_show():
    image, network = noise(320, 256), convolution(5)
    whole = predict(network, image)
    blended = np.abs(predict(network, image, 128, 48) - whole)
    butted = np.abs(predict(network, image, 64, 0) - whole)
    assert butted.max() > 0.05  # the network sees zeros beyond a window's edge
    assert blended.max() < butted.max() / 4
    assert (blended < 1e-6).mean() > 0.85


def test_height_is_seen_in_its_unit_and_nodata_as_nothing():
    network = nn.Conv2d(4, 1, 1)
    with torch.no_grad():
        network.weight[:] = torch.tensor([0.0, 0, 0, 1])[None, :, None, None]
        network.bias[:] = 0
    image = noise(40, 40)
    image[..., 3] = 1800
    image[:20, :, 3] = NODATA
    probability = predict(network, image)
    np.testing.assert_allclose(probability[20:], 1 / (1 + np.exp(-2)), rtol=1e-6)
    np.testing.assert_allclose(probability[:20], 0.5)


@pytest.mark.parametrize("axis", [0, 1])
def test_with_flips_a_flipped_tile_gives_the_flipped_result(axis):
    image, network = noise(96, 128), convolution(3)
    flipped = np.ascontiguousarray(np.flip(image, axis))
    np.testing.assert_allclose(predict(network, flipped), np.flip(predict(network, image), axis), atol=1e-5)
    without = predict(network, image, flips=False)
    assert np.abs(np.flip(predict(network, flipped, flips=False), axis) - without).max() > 0.01


def test_the_mean_over_flips_is_one_of_logits():
    image, network = noise(32, 32), convolution(3)

    def logit(probability):
        return np.log(probability / (1 - probability))

    views = [((), ()), ((0,), (0,)), ((1,), (1,)), ((0, 1), (0, 1))]
    single = [np.flip(predict(network, np.flip(image, axes).copy(), flips=False), axes) for axes, _ in views]
    np.testing.assert_allclose(logit(predict(network, image)), np.mean([logit(p) for p in single], axis=0), atol=1e-4)


@pytest.mark.parametrize(
    ("size", "window", "overlap"), [(2048, 2048, 256), (3000, 2048, 256), (5000, 512, 64), (97, 64, 31)]
)
def test_windows_cover_the_tile_and_overlap_enough(size, window, overlap):
    corners = inference.window_corners(size, window, overlap)
    assert (corners[0], corners[-1] + window) == (0, size)
    assert all(after - before <= window - overlap for before, after in pairwise(corners))
