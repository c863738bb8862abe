"""Every encoder the winner used or tried, and two other families, with both decoders: train, resume, predict."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from test_training import CPU, MAIN, crops, run_of

from eaves.compute import devices
from eaves.models import inference
from eaves.models.decoders import DECODERS
from eaves.models.network import build
from eaves.training.trainer import Trainer

ENCODERS = [
    "resnet18",
    "resnet34",
    "resnet50",
    "inception_v3",
    "inception_resnet_v2",
    "tf_efficientnet_lite0",
    "convnext_atto",
]
USUAL = {("resnet34", "unet"), ("tf_efficientnet_lite0", "linknet")}
ODD = (77, 101)


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        pytest.param(encoder, decoder, marks=() if (encoder, decoder) in USUAL else pytest.mark.slow)
        for encoder in ENCODERS
        for decoder in DECODERS
    ],
)
def test_it_trains_resumes_and_predicts(tmp_path, encoder, decoder):
    devices.make_deterministic(1, threads=1)
    settings = run_of(tmp_path).settings
    predict = {"window": 96, "overlap": 32, "flips": True, "precision": "fp32"}
    batches = [crops(1, 2, size=88), crops(3, 4, size=88)]

    trainer = Trainer(build(encoder, decoder).train(), settings, 4, CPU)
    trainer.set_learning_rate(1e-3)
    before = [parameter.detach().clone() for parameter in trainer.network.parameters()]
    trainer.training_step(batches[:1], MAIN)
    kept = deepcopy(trainer.state_dict())
    loss, _ = trainer.training_step(batches[1:], MAIN)
    # timm's residual blocks start as nothing but their shortcuts: all of them move from the second step on.
    assert all(not torch.equal(old, new) for old, new in zip(before, trainer.network.parameters(), strict=True))

    resumed = Trainer(build(encoder, decoder).train(), settings, 4, CPU)
    resumed.load_state_dict(kept)
    assert torch.equal(resumed.training_step(batches[1:], MAIN)[0], loss)
    ends = resumed.network.state_dict()
    assert all(torch.equal(value, ends[name]) for name, value in trainer.network.state_dict().items())

    image = np.random.default_rng(1).integers(0, 255, (*ODD, 4)).astype(np.int16)
    scales = {"input": settings["input"], "predict": predict}
    strips = list(inference.predict_strips(trainer.network.eval(), image, 4, scales, CPU))
    probability = np.concatenate([strip for _, strip in strips])
    assert probability.shape == ODD
    assert ((probability >= 0) & (probability <= 1)).all()
