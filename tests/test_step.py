"""A step in every precision, compiled or not, and its state kept and taken up."""

import os
import shutil
import subprocess
import sys
from copy import deepcopy

import pytest
import torch
from test_training import CPU, MAIN, crops, network, resume, run_of
from toy import SCRIPTS

from eaves.compute import devices
from eaves.core.errors import InputError
from eaves.training import loop
from eaves.training.job import Phase
from eaves.training.trainer import Trainer


def settings_of(tmp_path, **optimize):
    return run_of(tmp_path, optimize=optimize).settings


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_takes_nearly_the_same_step(tmp_path, precision):
    losses, states = [], []
    for chosen in ("fp32", precision):
        trainer = Trainer(network(), settings_of(tmp_path, precision=chosen), 4, CPU)
        trainer.set_learning_rate(1e-2)
        losses.append(float(trainer.training_step([crops(1, 2), crops(3, 4)], MAIN)[0]))
        states.append(trainer.network.state_dict())
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != losses[0]
    torch.testing.assert_close(states[1]["0.weight"], states[0]["0.weight"], atol=0.02, rtol=0)


def test_a_step_that_overflows_in_fp16_is_left_out_and_the_scale_halved(tmp_path):
    trainer = Trainer(network(), settings_of(tmp_path, precision="fp16"), 4, CPU)
    trainer.set_learning_rate(1e-2)
    trainer.training_step([crops(1)], MAIN)
    trainer.scaler.update(torch.finfo(torch.float32).max / 4)
    before, scale = deepcopy(trainer.network.state_dict()), trainer.scaler.get_scale()
    trainer.training_step([crops(1)], MAIN)
    assert torch.equal(trainer.network.state_dict()["0.weight"], before["0.weight"])
    assert trainer.scaler.get_scale() == scale / 2


def test_a_run_in_fp16_that_was_stopped_ends_in_the_same_weights(tmp_path, monkeypatch):
    """The scaler's state is kept too."""
    phases = [Phase("main", 2, 0.02, 1.0, 1.0)]
    options = {"precision": "fp16"}
    whole, first, second = network(), network(), network(seed=2)
    history = loop.train(whole, run_of(tmp_path / "whole", phases, optimize=options), CPU)
    steps = []

    def stop(trainer, *arguments):
        if len(steps) == 7:
            raise KeyboardInterrupt
        steps.append(arguments)
        return original(trainer, *arguments)

    original = Trainer.training_step
    run = run_of(tmp_path / "stopped", phases, optimize=options, minutes=0)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "training_step", stop)
        with pytest.raises(KeyboardInterrupt):
            loop.train(first, run, CPU)
    assert resume(second, run) == history
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in whole.state_dict().items())


@pytest.mark.skipif(not shutil.which("g++"), reason="compiling for the processor needs g++")
def test_compiled_it_takes_the_same_step_and_keeps_the_plain_state(tmp_path):
    states = []
    for compiled in (False, True):
        trainer = Trainer(network(), settings_of(tmp_path, compile=compiled), 4, CPU)
        trainer.set_learning_rate(1e-2)
        trainer.training_step([crops(1, 2)], MAIN)
        states.append(trainer.state_dict()["network"])
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, atol=1e-4, rtol=1e-3)


def test_without_a_compiler_the_setting_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"optimize.compile: true needs a compiler, but g\+\+ was not found"):
        Trainer(network(), settings_of(tmp_path, compile=True), 4, CPU)


def test_without_pythons_headers_the_setting_is_named(tmp_path, monkeypatch):
    compiler = tmp_path / "g++"
    compiler.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / name))
    with pytest.raises(InputError, match=rf"{tmp_path}/include has no Python.h: .*set compile: false"):
        Trainer(network(), settings_of(tmp_path, compile=True), 4, CPU)


def test_float32_is_float32_on_a_card_too_whatever_the_environment_says():
    code = "import torch; from eaves.compute import devices; devices.make_deterministic(1, 1); b = torch.backends; "
    code += "print(b.cudnn.allow_tf32, b.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision())"
    told = os.environ | {"TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1", "PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "highest"]


def test_auto_is_what_the_device_is_made_for(monkeypatch):
    gpu = torch.device("cuda")
    for capability, expected in (((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16"), ((6, 1), "fp32")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_, found=capability: found)
        assert devices.resolve_precision("auto", gpu) == expected
    for name, expected in (("avx512_bf16", "bf16"), ("amx_bf16", "bf16"), ("avx2", "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=name: {found: True}, raising=False)
        assert devices.resolve_precision("auto", CPU) == expected
    assert devices.resolve_precision("fp16", gpu) == "fp16"
