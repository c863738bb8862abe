"""The blocks of config.yaml as typed models: every key with its meaning, unit and range."""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

# Upper bounds keep a typing error from requesting terabytes or years; no sensible value comes near them.
Probability = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1000)]
LearningRate = Annotated[float, Field(gt=0, le=1)]
Epochs = Annotated[int, Field(ge=0, le=100_000)]
Pixels = Annotated[int, Field(ge=1, le=100_000_000)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Text = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


class Block(BaseModel):
    """A block of the configuration: no other keys, no conversion of types, neither NaN nor infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Tiles(Block):
    """Where the tiles are."""

    train: Text = Field(description="Folder of the training tiles, with truth.")
    test: Text = Field(description="Folder of the tiles to find buildings on; truth, if present, is scored.")


class Scenes(Block):
    """Generated towns in place of the user's tiles."""

    train: int = Field(ge=1, le=100_000, description="Number of training tiles.")
    test: int = Field(ge=1, le=100_000, description="Number of test tiles.")
    size: int = Field(ge=128, le=16_384, description="Edge of a tile, pixels.")
    seed: Seed = Field(description="Seed of the towns.")


class Prepare(Block):
    """Tile preparation."""

    bands: list[Annotated[int, Field(ge=1, le=65_535)]] = Field(
        min_length=3, max_length=3, description="Bands of the orthophoto that are red, green and blue, counted from 1."
    )
    rgb_range: (
        Literal["auto"] | Annotated[list[Annotated[float, Field(ge=-1e12, le=1e12)]], Field(min_length=2, max_length=2)]
    ) = Field(
        description="`auto`: 8-bit colours are kept, others are scaled by the percentiles below; or [low, high], the "
        "values in the file that become 0 and 255 on every tile."
    )
    rgb_percentiles: list[Annotated[float, Field(ge=0, le=100)]] = Field(
        min_length=2,
        max_length=2,
        description="Percentiles of a tile's colours, all bands together, that become 0 and 255.",
    )

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for key in ("rgb_range", "rgb_percentiles"):
            value = getattr(self, key)
            if value != "auto" and value[0] >= value[1]:
                raise ValueError(f"prepare.{key} is {value}: the second must be larger than the first")
        return self


class Split(Block):
    """Assignment of the training tiles to folds."""

    folds: int = Field(
        ge=2, le=100, description="Number of models, each of which holds out one part of the training tiles."
    )
    seed: Seed = Field(description="Seed of the assignment, and of all random draws in training.")
    by: Literal["random", "groups", "blocks"] = Field(
        description="`random`: tile by tile; `groups`: tiles with the same group by `group_pattern` stay together; "
        "`blocks`: tiles in one square of the plane stay together."
    )
    group_pattern: Text = Field(
        description="Regular expression on the tile's name; its first group is the tile's group, e.g. the city."
    )
    block_m: float = Field(gt=0, le=1e7, description="Edge of the squares, in units of the CRS (metres).")

    @field_validator("group_pattern")
    @classmethod
    def _regular_expression(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"must be a regular expression ({error})") from error
        return pattern


class Model(Block):
    """The network."""

    encoder: Text = Field(description="Name of a timm model that returns feature maps.")
    decoder: Literal["unet", "linknet"] = Field(description="Decoder; `unet` is the winner's.")
    weights: Text = Field(
        description="The encoder's initial weights: `imagenet` (downloaded), `package` (from an installed package), "
        "`none`, or a file."
    )


class Input(Block):
    """Scaling of the network's input."""

    rgb_mean: float = Field(ge=-1e6, le=1e6, description="Subtracted from the colours (0 to 255).")
    rgb_divisor: float = Field(gt=0, le=1e6, description="The colours are then divided by this.")
    height_divisor_m: float = Field(gt=0, le=1e6, description="Height above ground is divided by this, metres.")


class Sample(Block):
    """Training samples: crops of the tiles."""

    crop_px: int = Field(ge=32, le=16_384, multiple_of=32, description="Edge of the square crops, pixels.")
    border_px: int = Field(ge=0, le=16_384, description="Tiles are extended by this much by reflection, pixels.")
    crops_per_tile: int = Field(ge=1, le=100_000, description="Crops of each training tile per epoch.")
    micro_batch: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = Field(
        description="Crops computed at a time; `auto`: as many as fit into the GPU's memory."
    )
    gradient_accumulation: int = Field(
        ge=1, le=4096, description="Micro-batches per step of the optimizer; ignored with `micro_batch: auto`."
    )
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        description="With `micro_batch: auto`: crops per step of the optimizer; otherwise null."
    )
    uncertain: Literal["building", "ground", "ignore"] = Field(
        description="Label of uncertain buildings (65 in GTL); `ignore` leaves them out of the loss."
    )

    @model_validator(mode="after")
    def _one_batch_size(self) -> Self:
        if self.micro_batch == "auto":
            if self.batch_size is None:
                raise ValueError(
                    "sample.micro_batch is auto: then sample.batch_size must say how many crops a step has"
                )
        elif self.batch_size not in (None, self.micro_batch * self.gradient_accumulation):
            raise ValueError(
                f"sample.batch_size is {self.batch_size}, but sample.micro_batch x sample.gradient_accumulation is "
                f"{self.micro_batch * self.gradient_accumulation}; set batch_size to null, or micro_batch to auto"
            )
        return self


class Augment(Block):
    """Augmentation of the training samples."""

    flip: bool = Field(description="Flip: none, horizontal, vertical or both, with equal probability.")
    transpose_p: Probability = Field(description="Probability of a transposition.")
    affine_p: Probability = Field(description="Probability of shift, scale and rotation together.")
    shift: float = Field(ge=0, le=0.5, description="Largest shift, share of the crop.")
    scale: float = Field(ge=0, le=0.9, description="Largest change of scale, share.")
    rotate_deg: float = Field(ge=0, le=180, description="Largest rotation, degrees.")
    hsv_p: Probability = Field(description="Probability of a colour shift.")
    hsv: list[Annotated[float, Field(ge=0, le=255)]] = Field(
        min_length=3, max_length=3, description="Largest shifts of hue, saturation and value, of 255."
    )
    match_original: bool = Field(
        description="Reproduce the original's faults: no shift, 1/255 of the hue's, and reflection at pixel centres."
    )


class Optimize(Block):
    """The optimizer's steps."""

    clip_norm: float = Field(gt=0, le=1e9, description="Largest norm of the gradient.")
    batch_norm: Literal["all", "first", "sync"] = Field(
        description="Running statistics from all micro-batches of a step, from the first, or from those that several "
        "GPUs compute at the same time."
    )
    precision: Precision = Field(description="Numeric precision; `auto`: the fastest that the device is made for.")
    compile: bool = Field(description="Use torch.compile.")


class Warmup(Block):
    """Warm-up on RGB alone."""

    epochs: Epochs = Field(description="Number of epochs.")
    lr: LearningRate = Field(description="Learning rate of Adam.")
    bce: Weight = Field(description="Weight of the binary cross-entropy.")
    dice: Weight = Field(description="Weight of (1 - Dice).")


class Decay(Block):
    """Second phase of training, with a lower learning rate."""

    epochs: Epochs = Field(description="Number of epochs.")
    lr: LearningRate = Field(description="Learning rate of Adam.")


class Final(Block):
    """Last phase of training; the model kept is the best of its epochs by the loss on the held-out tiles."""

    epochs: int = Field(ge=1, le=100_000, description="Number of epochs.")
    lr: LearningRate = Field(description="Learning rate of Adam.")
    bce: Weight = Field(description="Weight of the binary cross-entropy.")
    dice: Weight = Field(description="Weight of (1 - Dice).")


class Train(Block):
    """Full training, on RGB and height."""

    height_channel: Literal["random", "zero", "red", "mean"] = Field(
        description="Initial weights of the height channel; `random` resets the first convolution and its batch "
        "norm as a whole."
    )
    epochs: Epochs = Field(description="Number of epochs of the main phase.")
    lr: LearningRate = Field(description="Learning rate of Adam.")
    bce: Weight = Field(description="Weight of the binary cross-entropy.")
    dice: Weight = Field(description="Weight of (1 - Dice).")
    decay: Decay = Field(description="Second phase of training, with a lower learning rate.")
    final: Final = Field(
        description="Last phase; the model kept is the best of its epochs by the loss on held-out tiles."
    )


class Predict(Block):
    """Inference."""

    window: int = Field(
        ge=64, le=65_536, multiple_of=32, description="Larger tiles are predicted in windows of this edge, pixels."
    )
    overlap: int = Field(
        ge=0, le=32_768, description="Overlap of neighbouring windows, which are blended there, pixels."
    )
    flips: bool = Field(description="Average the logits over four flips.")
    precision: Precision = Field(description="Numeric precision, as in `optimize`.")

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        if 2 * self.overlap >= self.window:
            raise ValueError(
                f"predict.overlap is {self.overlap}: must be less than half of predict.window, {self.window}; lower "
                "the one or raise the other"
            )
        return self


class Separate(Block):
    """Watershed with two thresholds."""

    low: Probability = Field(description="Probability above which there may be building.")
    high: Probability = Field(description="Probability above which there is the core of a building.")
    min_seed_px: Pixels = Field(description="Least size of a core, pixels.")
    min_area_px: Pixels = Field(description="Least size of a region above `low`, pixels.")
    match_original: bool = Field(description="Reproduce, pixel for pixel, the original's one call on the whole tile.")
    thresholds: Literal["configured", "searched"] = Field(
        description="Use the four values above, or those found by the search (`threshold_search`)."
    )

    @model_validator(mode="after")
    def _thresholds(self) -> Self:
        faults = []
        if self.low > self.high:
            faults.append(
                f"separate.low is {self.low}: must be at most separate.high, {self.high}; lower the one or raise the "
                "other"
            )
        if self.thresholds == "searched" and self.match_original:
            faults.append(
                "separate.thresholds is searched: this does not work with separate.match_original, whose lines "
                "between buildings depend on the whole tile; set thresholds to configured, or match_original to false"
            )
        if faults:
            raise ValueError("\n".join(faults))
        return self


class ThresholdSearch(Block):
    """Search for the thresholds of `separate` on the training tiles' out-of-fold probabilities."""

    low: list[Probability] = Field(min_length=1, max_length=100, description="Candidates for `separate.low`.")
    high: list[Probability] = Field(min_length=1, max_length=100, description="Candidates for `separate.high`.")
    min_seed_px: list[Pixels] = Field(
        min_length=1, max_length=100, description="Candidates for `separate.min_seed_px`."
    )
    min_area_px: list[Pixels] = Field(
        min_length=1, max_length=100, description="Candidates for `separate.min_area_px`."
    )
    tolerance: Probability = Field(description="F given up, at most, for values nearer to the configured ones.")


class Outline(Block):
    """Outlines of the buildings."""

    formats: list[Literal["gpkg", "parquet", "geojson", "cityjson"]] = Field(
        max_length=4, description="Formats; gpkg is always written."
    )
    regularize_m: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        description="Straight walls and right angles: maximum deviation from the pixel outline, metres; null: the "
        "pixel outline itself."
    )
    min_confidence: Probability | None = Field(
        description="Buildings of a lower mean probability get no outline; null: all get one."
    )

    @field_validator("formats")
    @classmethod
    def _distinct(cls, formats: list[str]) -> list[str]:
        if len(set(formats)) < len(formats):
            raise ValueError("must name each format once")
        return formats


class Score(Block):
    """Scoring."""

    iou_threshold: Probability = Field(description="A building is found if its IoU with the truth is above this.")
    rules: Literal["final", "provisional"] = Field(description="Rules of the challenge's testing phase.")
    size_bins_m2: list[Annotated[float, Field(gt=0, le=1e9)]] = Field(
        max_length=100, description="Limits between the bins of F by building size, square metres, ascending."
    )
    boundary_m: float = Field(gt=0, le=1000, description="Width of the boundary IoU's band along the outline, metres.")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        bins = self.size_bins_m2
        if bins != sorted(set(bins)):
            raise ValueError(f"score.size_bins_m2 is {bins}: put it in ascending order, each value once")
        return self


class Run(Block):
    """How a run is carried out; a change here changes no result and retrains nothing."""

    tiles_per_job: int = Field(ge=1, le=100_000, description="Mean number of tiles per job, at most.")
    checkpoint_minutes: float = Field(
        ge=0, le=100_000, description="Interval at which unfinished training is saved, minutes; 0: at every step."
    )
    checkpoint_steps: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = Field(
        description="And after this many steps of the optimizer; null: by time only."
    )
    keep_predictions: bool = Field(description="Keep each fold's predictions once they are merged.")
    gpus_per_fold: int = Field(ge=1, le=1024, description="GPUs that train one fold together.")
    weights_folder: Text = Field(
        description="Folder in which ImageNet weights are looked for before they are downloaded."
    )


class Config(Block):
    """The whole configuration."""

    tiles: Tiles
    models: Text | None = Field(
        description="Folder of trained models to apply to `tiles.test`, in place of training; null: train."
    )
    scenes: Scenes | None
    prepare: Prepare
    split: Split
    model: Model
    input: Input
    sample: Sample
    augment: Augment
    optimize: Optimize
    warmup: Warmup
    train: Train
    predict: Predict
    separate: Separate
    threshold_search: ThresholdSearch
    outline: Outline
    score: Score
    run: Run

    @model_validator(mode="after")
    def _blocks_fit(self) -> Self:
        faults = []
        gpus, sample = self.run.gpus_per_fold, self.sample
        auto = sample.micro_batch == "auto"
        key, parts = (
            ("batch_size", sample.batch_size) if auto else ("gradient_accumulation", sample.gradient_accumulation)
        )
        if (parts or 0) % gpus:
            faults.append(
                f"run.gpus_per_fold is {gpus}: sample.{key}, {parts}, must be a multiple of it, so that each GPU "
                "gets as much"
            )
        if self.separate.thresholds == "searched" and self.models:
            faults.append(
                "separate.thresholds is searched: with `models` there are no training tiles; set it to configured, and "
                "separate.low, high, min_seed_px and min_area_px to the values in results/tuning/chosen.json of the "
                "run that trained the models"
            )
        if faults:
            raise ValueError("\n".join(faults))
        return self
