"""How many crops are computed at a time: the largest number that fits, or an error that names what would."""

import pytest
import torch
from test_training import CPU, network, run_of, tile

from eaves.compute.distributed import ProcessGroup
from eaves.core.errors import InputError
from eaves.models.network import build
from eaves.training import micro_batch
from eaves.training.trainer import Trainer

GPU = torch.device("cuda")


def settings_of(tmp_path, **sample):
    return run_of(tmp_path, **{"micro_batch": "auto", "gradient_accumulation": 1, "batch_size": 12} | sample).settings


def resolve(settings, device=CPU, group=None, net=None):
    return micro_batch.resolve(net or network(), settings, 4, [tile(1)], device, group or ProcessGroup())


@pytest.fixture
def card(monkeypatch):
    """A pretended GPU that holds so many crops of 32 px: real steps on the CPU, which fail where one has more."""
    room = {"crops": 4}

    def step(trainer, batches, phase):
        if max(batch.images.shape[0] * batch.images.shape[1] ** 2 for batch in batches) > room["crops"] * 32**2:
            raise room.get("error", torch.OutOfMemoryError())
        return original(trainer, batches, phase)

    def start(trainer, network, settings, channels, device, group=None):
        initialise(trainer, network, settings, channels, CPU, group)

    original, initialise = Trainer.training_step, Trainer.__init__
    monkeypatch.setattr(Trainer, "training_step", step)
    monkeypatch.setattr(Trainer, "__init__", start)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_, **__: tensor.clone())
    return room


@pytest.mark.parametrize(("crops", "expected"), [(100, 12), (11, 6), (5, 4), (1, 1)])
def test_the_largest_that_fits_is_taken_and_the_batch_stays(tmp_path, card, crops, expected):
    card["crops"] = crops
    sample = resolve(settings_of(tmp_path), GPU)
    assert (sample["micro_batch"], sample["gradient_accumulation"]) == (expected, 12 // expected)


def test_trying_changes_nothing(tmp_path, card):
    net = network()
    resolve(settings_of(tmp_path), GPU, net=net)
    for name, value in network().state_dict().items():
        assert torch.equal(value, net.state_dict()[name])


def test_a_trial_holds_what_training_holds(tmp_path, card, monkeypatch):
    """In its last step there are Adam's moments, and gradients added up from a micro-batch before."""
    seen, step = [], Trainer.training_step

    def watched(trainer, batches, phase):
        seen.append((len(trainer.optimizer.state), len(batches)))
        return step(trainer, batches, phase)

    monkeypatch.setattr(Trainer, "training_step", watched)
    resolve(settings_of(tmp_path), GPU)
    parameters = len(list(network().parameters()))
    assert seen[-2:] == [(0, 2), (parameters, 2)]


@pytest.mark.parametrize(
    "said",
    [
        "CUDA out of memory. Tried to allocate 20.00 MiB",
        "FIND was unable to find an engine to execute this computation",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_what_libraries_say_near_full_memory_is_out_of_memory(tmp_path, card, said):
    card["error"] = RuntimeError(said)
    assert resolve(settings_of(tmp_path), GPU)["micro_batch"] == 4
    card["error"] = RuntimeError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal"):
        resolve(settings_of(tmp_path), GPU)


def test_what_a_checkpoint_was_made_with_is_not_tried_out_again(tmp_path, card):
    settings = settings_of(tmp_path)
    kept = resolve(settings, GPU)
    card["crops"] = 1  # a neighbour has taken the rest
    assert micro_batch.resolve(network(), settings, 4, [tile(1)], GPU, ProcessGroup(), kept) == kept
    fixed = settings_of(tmp_path, micro_batch=3, gradient_accumulation=4, batch_size=None)
    assert micro_batch.resolve(network(), fixed, 4, [tile(1)], GPU, ProcessGroup(), kept) == fixed["sample"]


def test_every_gpu_of_a_team_gets_as_much(tmp_path, card, monkeypatch):
    monkeypatch.setattr(ProcessGroup, "all_reduce_min", lambda group, value, device: value)
    card["crops"] = 100
    assert resolve(settings_of(tmp_path), GPU, ProcessGroup(0, 3))["gradient_accumulation"] == 3


@pytest.mark.parametrize(
    ("crops", "said"),
    [
        (3, "micro_batch 6 of 32 px; sample.micro_batch: 3 with sample.gradient_accumulation: 2 would fit"),
        (1, "sample.micro_batch: 1 with sample.gradient_accumulation: 6 would fit"),
        (0, "nothing smaller fits either"),
    ],
)
def test_out_of_memory_names_what_would_fit(tmp_path, card, crops, said, monkeypatch):
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    card["crops"] = crops
    settings = settings_of(tmp_path, micro_batch=6, batch_size=None)
    message = micro_batch.out_of_memory_message(network(), settings, 4, [tile(1)], GPU)
    assert "out of memory on cuda" in message
    assert said in message


def test_smaller_crops_are_named_where_not_one_fits(tmp_path, card, monkeypatch):
    card["crops"] = 1
    with pytest.raises(InputError, match=r"sample.crop_px: 32 with sample.micro_batch: 1 would fit"):
        resolve(settings_of(tmp_path, crop_px=64), GPU)


def test_on_the_cpu_a_step_stays_within_its_memory(tmp_path, monkeypatch):
    per_crop = micro_batch.activation_bytes(network(), 4, 32)
    monkeypatch.setattr(micro_batch, "CPU_BYTES", 5 * per_crop)
    assert resolve(settings_of(tmp_path))["micro_batch"] == 4
    monkeypatch.setattr(micro_batch, "CPU_BYTES", per_crop - 1)
    with pytest.raises(InputError, match="out of memory on cpu"):
        resolve(settings_of(tmp_path))


def test_activations_are_counted_as_they_are():
    """A convolution of 4 to 6 channels, batch norm, ReLU and a convolution to 1: the inputs of each are kept."""
    pixels, floats = 32 * 32, 4
    expected = pixels * floats * (4 + 6 + 6)  # what the convolutions and batch norm take in; ReLU keeps its output
    assert expected <= micro_batch.activation_bytes(network(), 4, 32) <= 1.1 * expected
    winner = build("resnet34")
    whole, half = (micro_batch.activation_bytes(winner, 4, size) for size in (512, 256))
    assert whole == pytest.approx(4 * half, rel=0.02)


def test_numbers_are_left_alone_but_must_be_shared_evenly(tmp_path):
    fixed = settings_of(tmp_path, micro_batch=3, gradient_accumulation=4, batch_size=None)
    assert resolve(fixed) == fixed["sample"]
    with pytest.raises(InputError, match="choose a multiple of 3"):
        resolve(fixed, group=ProcessGroup(0, 3))
