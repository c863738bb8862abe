"""What a step of training computes: gradients of its micro-batches added up, cut off, and one step of Adam."""

from typing import Any

import torch
from torch import Tensor, nn

from eaves.compute import devices
from eaves.compute.distributed import Team
from eaves.models.inputs import join_inputs, to_inputs, to_truth
from eaves.training import augment
from eaves.training.batch_norm import BatchNorm
from eaves.training.job import Phase
from eaves.training.losses import bce_dice
from eaves.training.sampler import Batch


class Engine:
    """A network on its device with all that takes part in a step.

    Args:
        network: of `channels` input channels, on the CPU; trained in place.
        settings: the blocks input, sample, augment and optimize.
        channels: 3 or 4.
        device: what to compute on.
        team: the processes that train together.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: dict[str, Any],
        channels: int,
        device: torch.device,
        team: Team | None = None,
    ) -> None:
        self.network = devices.place(network, device)
        self.settings = settings
        self.channels = channels
        self.device = device
        self.team = team or Team()
        optimize = settings["optimize"]
        self.precision = devices.resolved(optimize["precision"], device)
        self.optimizer = torch.optim.Adam(network.parameters())
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.batch_norm = BatchNorm(network, optimize["batch_norm"], self.team)
        # The state is the plain network's; this is how it is computed while it learns.
        computed = devices.compiled(network, device) if optimize["compile"] else network
        self.joined = self.team.wrap_ddp(computed, device)

    def state(self) -> dict[str, Any]:
        """What a checkpoint has to hold."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    def learning_rate(self, rate: float) -> None:
        """Sets Adam's."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def step(self, micro_batches: list[Batch], phase: Phase) -> Tensor:
        """One step of the optimizer on gradients accumulated over the micro-batches.

        Returns:
            (2,) float32 on the device: mean loss and Dice of this process's micro-batches.
        """
        self.optimizer.zero_grad(set_to_none=True)
        figures = torch.zeros(2, device=self.device)
        for number, batch in enumerate(micro_batches):
            self.batch_norm.begin(first=number == 0)
            if number + 1 < len(micro_batches):
                with self.team.no_sync(self.joined):
                    figures += self._gradients(batch, phase, len(micro_batches))
            else:
                figures += self._gradients(batch, phase, len(micro_batches))
        self.batch_norm.end(len(micro_batches))
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings["optimize"]["clip_norm"])
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return figures / len(micro_batches)

    def _gradients(self, batch: Batch, phase: Phase, parts: int) -> Tensor:
        image, target, weight = self.on_device(batch)
        with devices.autocast(self.device, self.precision):
            logits = self.joined(image)
        loss, overlap = bce_dice(logits, target, weight, phase.bce, phase.dice)
        self.scaler.scale(loss / parts).backward()
        return torch.stack([loss.detach(), overlap.detach()])

    @torch.no_grad()
    def validation_step(self, batch: Batch, phase: Phase) -> tuple[Tensor, Tensor, Tensor]:
        """Loss and Dice of a batch by the network as it stands, and the input and logits that they come from.

        Returns:
            (2,), (N, channels, H, W) and (N, 1, H, W) float32, on the device.
        """
        self.network.eval()
        image, target, weight = self.on_device(batch)
        with devices.autocast(self.device, self.precision):
            logits = self.network(image)
        return torch.stack(bce_dice(logits, target, weight, phase.bce, phase.dice)), image, logits.float()

    def on_device(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Moves a batch over, augments it, and makes the network's input, target and weight of it."""
        images = batch.images.to(self.device, non_blocking=True)
        truth = batch.truths.to(self.device, non_blocking=True).unsqueeze(1).float()
        rgb, height = to_inputs(images, self.settings["input"])
        if batch.draws:
            rgb, height, truth = augment.apply(
                rgb, height, truth, batch.draws, self.settings["augment"]["match_original"]
            )
        image = join_inputs(rgb, height, self.settings["input"], self.channels)
        return image, *to_truth(truth, self.settings["sample"]["uncertain"])
