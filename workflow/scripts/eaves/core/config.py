"""The configuration: checked against its schema, with one clear line per fault."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from eaves.core.errors import InputError

ROOT = Path(__file__).resolve().parents[4]
CONFIG = ROOT / "config.yaml"
RENAMED = {
    "tiles.batch": "run.tiles_per_job",
    "weights_folder": "run.weights_folder",
    "checkpoint": "run.checkpoint_minutes and run.checkpoint_steps",
    "keep": "run.keep_predictions",
    "warmup.gpus": "run.gpus_per_fold",
    "train.gpus": "run.gpus_per_fold",
    "sample.accumulate": "sample.gradient_accumulation",
    "sample.batch": "sample.batch_size",
    "augment.strict": "augment.match_original",
    "separate.strict": "separate.match_original",
    "separate.tune": "separate.thresholds, configured or searched",
    "tune": "threshold_search",
}
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


def check(config: dict[str, Any], schema_file: Path = SCHEMA) -> None:
    """Checks a configuration against the schema.

    Args:
        config: the merged configuration.
        schema_file: a JSON schema in YAML.

    Raises:
        InputError: one line per fault, with the key, its value and what is allowed.
    """
    schema = yaml.safe_load(schema_file.read_text())
    kind = jsonschema.Draft202012Validator
    found = kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(config)
    faults = [_sentence(fault, schema) for fault in sorted(found, key=lambda fault: list(fault.path))]
    if faults := faults or _contradictions(config):
        raise InputError("\n".join(faults))


def _contradictions(config: dict[str, Any]) -> list[str]:
    """One line for each pair of values that are fine by themselves and cannot be together, which no schema can tell."""
    prepare, sample, predict, separate = (config[name] for name in ("prepare", "sample", "predict", "separate"))
    faults = []
    for key in ("rgb_range", "rgb_percentiles"):
        if prepare[key] != "auto" and prepare[key][0] >= prepare[key][1]:
            faults.append(f"configuration: prepare.{key} is {prepare[key]}: the second must be larger than the first")
    if sample["micro_batch"] == "auto":
        if sample["batch_size"] is None:
            faults.append(
                "configuration: sample.micro_batch is auto: then sample.batch_size must say how many crops a step has"
            )
        parts, by = sample["batch_size"] or 0, "sample.batch_size"
    else:
        parts, by = sample["gradient_accumulation"], "sample.gradient_accumulation"
        if sample["batch_size"] is not None and sample["batch_size"] != sample["micro_batch"] * parts:
            faults.append(
                f"configuration: sample.batch_size is {sample['batch_size']}, but sample.micro_batch x "
                f"sample.gradient_accumulation is {sample['micro_batch'] * parts}; set batch_size to null, "
                "or micro_batch to auto"
            )
    if parts % config["run"]["gpus_per_fold"]:
        faults.append(
            f"configuration: run.gpus_per_fold is {config['run']['gpus_per_fold']}: {by}, {parts}, must be a multiple "
            "of it, so that each GPU gets as much"
        )
    if 2 * predict["overlap"] >= predict["window"]:
        faults.append(
            f"configuration: predict.overlap is {predict['overlap']}: less than half of predict.window, "
            f"{predict['window']}; lower the one or raise the other"
        )
    if config["score"]["size_bins_m2"] != sorted(config["score"]["size_bins_m2"]):
        faults.append(
            f"configuration: score.size_bins_m2 is {config['score']['size_bins_m2']}: put it in ascending order"
        )
    if separate["low"] > separate["high"]:
        faults.append(
            f"configuration: separate.low is {separate['low']}: at most separate.high, {separate['high']}; "
            "lower the one or raise the other"
        )
    if separate["thresholds"] == "searched" and config["models"]:
        faults.append(
            "configuration: separate.thresholds is searched: with `models` there are no training tiles; set it to "
            "configured, and separate.low, high, min_seed_px and min_area_px to what results/tuning/chosen.json of the "
            "models' own run holds"
        )
    if separate["thresholds"] == "searched" and separate["match_original"]:
        faults.append(
            "configuration: separate.thresholds is searched: not together with separate.match_original, whose lines "
            "between buildings depend on the whole tile; set thresholds to configured, or match_original to false"
        )
    return faults


def _sentence(fault: jsonschema.ValidationError, schema: dict[str, Any]) -> str:
    """Says in one line which key is at fault, what it holds and what it may hold."""
    whole, about = fault, fault.schema.get("description", "")
    while fault.context:  # anyOf: the branch that came furthest tells most
        fault = max(fault.context, key=lambda inner: (len(inner.absolute_path), inner.validator != "type"))
    key = ".".join(str(part) for part in fault.absolute_path)
    if fault.validator == "additionalProperties":
        known = sorted(fault.schema["properties"])
        unknown = sorted(set(fault.instance) - set(known))
        full = {f"{key}.{name}" if key else name for name in unknown}
        if renamed := sorted(full & set(RENAMED)):
            return "; ".join(f"configuration: {name} is now {RENAMED[name]}" for name in renamed)
        names = ", ".join(f"{key}.{name}" if key else name for name in unknown)
        return f"configuration: unknown key {names}; known here: {', '.join(known)}"
    if fault.validator == "required":
        missing = sorted(set(fault.schema["required"]) - set(fault.instance))
        names = ", ".join(f"{key}.{name}" if key else name for name in missing)
        return f"configuration: {names} is missing; copy it from the config.yaml that comes with Eaves"
    if list(fault.absolute_path) != list(whole.absolute_path) or not about:
        about = fault.schema.get("description", "")
    return f"configuration: {key} is {json.dumps(fault.instance)}: {fault.message}" + (f" ({about})" if about else "")


def section(text: str | None, *names: str) -> dict[str, Any]:
    """Gives the blocks of the configuration that a script works by.

    Args:
        text: the blocks as JSON, as the workflow passes them; or, for a script that is run by hand, a YAML file laid
            over the repository's config.yaml; None takes that as it is.
        names: the blocks wanted.

    Raises:
        InputError: the file is missing, cannot be read, or has no such block.
    """
    if text is not None and text.lstrip().startswith("{"):
        given = json.loads(text)
    else:
        given = load([Path(text)] if text else [])
    missing = [name for name in names if name not in given]
    if missing:
        raise InputError(f"the settings have no block {', '.join(missing)}")
    return {name: given[name] for name in names}


def load(overlays: list[Path], more: dict[str, Any] | None = None) -> dict[str, Any]:
    """Gives the whole configuration: the repository's config.yaml with overlays over it, as Snakemake would have it.

    Args:
        overlays: YAML files, each laid over those before it.
        more: keys and values that are laid over all.

    Raises:
        InputError: a file is missing or cannot be read; what comes of it does not fit the schema.
    """
    given: dict[str, Any] = {}
    for path in (CONFIG, *overlays):
        try:
            given = merge(given, yaml.safe_load(path.read_text()) or {})
        except (OSError, yaml.YAMLError) as error:
            why = " ".join(str(error).split())
            raise InputError(f"{path}: cannot be read ({why}); it must be a YAML file") from error
    given = merge(given, more or {})
    check(given)
    return given


def from_command_line(pairs: list[str]) -> dict[str, Any]:
    """Read settings given as KEY=VALUE: the value is YAML, and the key of a block may be written with a dot.

    Args:
        pairs: e.g. `train.epochs=3` or `train={epochs: 3}`.

    Raises:
        InputError: one of them is no such pair, or its value no YAML.

    Example:
        >>> from_command_line(["split={folds: 9}", "outline.formats=[geojson]", "split.seed=1"])
        {'split': {'folds': 9, 'seed': 1}, 'outline': {'formats': ['geojson']}}
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not re.fullmatch(r"\w+(\.\w+)*", key):
            raise InputError(
                f"{pair}: settings are given as KEY=VALUE, e.g. separate.low=0.4 or outline.formats=[geojson]"
            )
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"{pair}: the value is no YAML ({' '.join(str(error).split())})") from error
        for name in reversed(key.split(".")):
            value = {name: value}
        found = merge(found, value)
    return found


def parse_text_values(given: Any) -> Any:
    """Give values that came as text the type that they have in YAML, at any depth.

    Snakemake's `--config split='{folds: 9}'` makes a text of the 9. Text that is no number, truth value or null stays.

    Example:
        >>> parse_text_values({"folds": "9", "lr": "1.0e-4", "flips": "true", "low": ["0.2"], "models": "a/b"})
        {'folds': 9, 'lr': 0.0001, 'flips': True, 'low': [0.2], 'models': 'a/b'}
    """
    if isinstance(given, dict):
        return {key: parse_text_values(value) for key, value in given.items()}
    if isinstance(given, list):
        return [parse_text_values(value) for value in given]
    if not isinstance(given, str):
        return given
    try:
        value = yaml.safe_load(given)
    except yaml.YAMLError:
        return given
    return value if value is None or isinstance(value, bool | int | float) else given


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Merges an overlay into a configuration, block by block, as Snakemake's `--configfile` does.

    Example:
        >>> merge({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 4}})
        {'a': {'b': 4, 'c': 2}, 'd': 3}
    """
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged
