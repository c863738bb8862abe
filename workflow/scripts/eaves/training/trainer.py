"""A network with its optimizer: training steps with gradient accumulation, and validation steps."""

from typing import Any

import torch
from torch import Tensor, nn

from eaves.compute import devices
from eaves.compute.distributed import ProcessGroup
from eaves.models.inputs import join_inputs, to_inputs, to_target
from eaves.training import augment
from eaves.training.batch_norm import RunningStatistics
from eaves.training.job import Phase
from eaves.training.losses import bce_dice
from eaves.training.sampler import Batch


class Trainer:
    """Everything that takes part in a training step: network, optimizer, gradient scaler, batch norm statistics.

    Args:
        network: a network of `channels` input channels, on the CPU; trained in place.
        settings: the blocks input, sample, augment and optimize of the configuration.
        channels: number of input channels, 3 or 4.
        device: the device to train on.
        group: the processes that train together; by default this one alone.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: dict[str, Any],
        channels: int,
        device: torch.device,
        group: ProcessGroup | None = None,
    ) -> None:
        self.network = devices.to_device(network, device)
        self.settings = settings
        self.channels = channels
        self.device = device
        self.group = group or ProcessGroup()
        optimize = settings["optimize"]
        self.precision = devices.resolve_precision(optimize["precision"], device)
        self.optimizer = torch.optim.Adam(network.parameters())
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.statistics = RunningStatistics(network, optimize["batch_norm"], self.group)
        # Checkpoints and models hold the state of the plain network; training runs the compiled and wrapped one.
        compiled = devices.compile_network(network, device) if optimize["compile"] else network
        self.ddp_network = self.group.wrap_ddp(compiled, device)

    def state_dict(self) -> dict[str, Any]:
        """Return the state to save in a checkpoint."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of all parameters."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def training_step(self, micro_batches: list[Batch], phase: Phase) -> Tensor:
        """Take one optimizer step on gradients accumulated over micro-batches, clipped by their norm.

        Returns:
            (2,) float32, on the device: mean loss and Dice over this process's micro-batches.
        """
        self.optimizer.zero_grad(set_to_none=True)
        figures = torch.zeros(2, device=self.device)
        for number, batch in enumerate(micro_batches):
            self.statistics.before_micro_batch(first=number == 0)
            if number + 1 < len(micro_batches):
                with self.group.no_sync(self.ddp_network):
                    figures += self._accumulate_gradients(batch, phase, len(micro_batches))
            else:
                figures += self._accumulate_gradients(batch, phase, len(micro_batches))
        self.statistics.after_step(len(micro_batches))
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings["optimize"]["clip_norm"])
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return figures / len(micro_batches)

    def _accumulate_gradients(self, batch: Batch, phase: Phase, micro_batches: int) -> Tensor:
        """Run the forward and backward pass of one micro-batch; return its loss and Dice, (2,) float32."""
        image, target, weight = self.prepare_batch(batch)
        with devices.autocast(self.device, self.precision):
            logits = self.ddp_network(image)
        loss, dice = bce_dice(logits, target, weight, phase.bce, phase.dice)
        self.scaler.scale(loss / micro_batches).backward()
        return torch.stack([loss.detach(), dice.detach()])

    @torch.no_grad()
    def validation_step(self, batch: Batch, phase: Phase) -> tuple[Tensor, Tensor, Tensor]:
        """Compute loss and Dice of a batch in evaluation mode.

        Returns:
            Loss and Dice, (2,); the network's input, (N, channels, H, W); logits, (N, 1, H, W); all float32, on the
            device.
        """
        self.network.eval()
        image, target, weight = self.prepare_batch(batch)
        with devices.autocast(self.device, self.precision):
            logits = self.network(image)
        return torch.stack(bce_dice(logits, target, weight, phase.bce, phase.dice)), image, logits.float()

    def prepare_batch(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Move a batch to the device, augment it, and convert it to the network's input.

        Returns:
            The input, (N, channels, H, W); target and weight, each (N, 1, H, W), 0 or 1; all float32, on the device.
        """
        images = batch.images.to(self.device, non_blocking=True)
        truth = batch.truths.to(self.device, non_blocking=True).unsqueeze(1).float()
        rgb, height = to_inputs(images, self.settings["input"])
        if batch.draws:
            rgb, height, truth = augment.apply(
                rgb, height, truth, batch.draws, self.settings["augment"]["match_original"]
            )
        image = join_inputs(rgb, height, self.settings["input"], self.channels)
        return image, *to_target(truth, self.settings["sample"]["uncertain"])
