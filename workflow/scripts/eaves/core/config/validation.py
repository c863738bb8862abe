"""Validate a configuration against the models of its blocks, and report each fault in one line."""

import json
import math
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from eaves.core.config.blocks import Config
from eaves.core.errors import InputError

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
RENAMED_VALUES = {("train.height_channel", "anew"): "random"}
MAX_DEPTH = 8  # of nested mappings and lists; the configuration itself has four levels
MAX_FAULTS = 8  # reported of one mapping or list
SHOWN_CHARACTERS = 80  # of a value in a message


def validate(config: dict[str, Any]) -> None:
    """Validate a whole configuration.

    Raises:
        InputError: One line per fault, with the key, its value and what is allowed.
    """
    _validate(config, partial=False)


def validate_blocks(blocks: dict[str, Any]) -> None:
    """Validate some blocks of the configuration, in which keys may be missing.

    Contradictions are found in blocks that are complete.

    Raises:
        InputError: One line per fault.
    """
    _validate(blocks, partial=True)


def _validate(config: dict[str, Any], partial: bool) -> None:
    faults = structural_faults(config)
    if not faults:
        try:
            Config.model_validate(config)
        except ValidationError as error:
            faults = _lines(error, config, partial)
    if faults:
        raise InputError("\n".join(faults))


def structural_faults(value: Any, place: str = "", depth: int = 0) -> list[str]:
    """Return one line per value that no configuration can hold: other types than JSON's, or nested too deeply."""
    if depth > MAX_DEPTH:
        return [f"configuration: {place[:SHOWN_CHARACTERS]}... is nested too deeply, or contains itself"]
    if isinstance(value, dict):
        faults = []
        for key, inner in value.items():
            if not isinstance(key, str):
                where = f" in {place}" if place else ""
                faults.append(f"configuration: the key {_shown(key)}{where} is not text; put it in quotes or remove it")
            else:
                faults += structural_faults(inner, f"{place}.{key}" if place else key, depth + 1)
        return faults[:MAX_FAULTS]
    if isinstance(value, list):
        return [
            fault for i, inner in enumerate(value) for fault in structural_faults(inner, f"{place}.{i}", depth + 1)
        ][:MAX_FAULTS]
    if value is None or isinstance(value, str | bool | int | float):
        return []
    kind = {"bytes": "binary data", "date": "a date", "datetime": "a time"}.get(type(value).__name__, "a YAML tag")
    return [f"configuration: {place} is {_shown(value)}: {kind} is not allowed; if text is meant, put it in quotes"]


def _lines(error: ValidationError, config: dict[str, Any], partial: bool) -> list[str]:
    """Return one line per fault; `partial` lets keys be missing."""
    lines: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        kind = fault["type"]
        if kind == "missing" and partial:
            continue
        loc = fault["loc"] if kind in ("missing", "extra_forbidden") else _existing(fault["loc"], config)
        key = ".".join(map(str, loc))
        if kind == "value_error" and isinstance(fault["input"], dict):  # a contradiction in or between blocks
            lines |= {f"{key} {line}": f"configuration: {line}" for line in str(fault["ctx"]["error"]).splitlines()}
        elif kind == "missing":
            lines[key] = f"configuration: {key} is missing; copy it from the config.yaml that comes with Eaves"
        elif kind == "extra_forbidden":
            lines[key] = _unknown(key, loc)
        elif kind == "value_error":
            lines[key] = f"configuration: {key} is {_shown(fault['input'])}: {fault['ctx']['error']}"
        else:
            lines[key] = _not_allowed(key, loc, _value(config, loc))
    # A value that fits none of several types gives a fault for each: the innermost one is the most specific.
    return [line for key, line in lines.items() if not any(other.startswith(f"{key}.") for other in lines)]


def _existing(loc: tuple[int | str, ...], config: Any) -> tuple[int | str, ...]:
    """Return the location of a fault in the configuration, without the names of types that pydantic inserts."""
    found: list[int | str] = []
    for part in loc:
        if (isinstance(config, dict) and part in config) or (isinstance(config, list) and isinstance(part, int)):
            config = config[part]  # type: ignore[index]
            found.append(part)
    return tuple(found)


def _value(config: Any, loc: tuple[int | str, ...]) -> Any:
    for part in loc:
        config = config[part]
    return config


def _unknown(key: str, loc: tuple[int | str, ...]) -> str:
    if key in RENAMED:
        return f"configuration: {key} is now {RENAMED[key]}"
    model: Any = Config
    for part in loc[:-1]:
        model = model_in(model.model_fields[str(part)].annotation)
    return f"configuration: unknown key {key}; known here: {', '.join(sorted(model.model_fields))}"


def _not_allowed(key: str, loc: tuple[int | str, ...], value: Any) -> str:
    said = f"configuration: {key} is {_shown(value)}"
    if not key:
        return f"configuration: must be a mapping of blocks, not {_shown(value)}"
    if isinstance(value, str) and (key, value) in RENAMED_VALUES:
        return f"{said}, which is now {RENAMED_VALUES[key, value]}"
    field, type_ = field_at(loc)
    hint = ""
    if isinstance(value, str) and (number := _as_number(value)):
        hint = f"; as written it is text, the number is {number}"
    about = f" ({field.description.rstrip('.')})" if field.description and not isinstance(value, dict) else ""
    return f"{said}: must be {allowed(type_)}{hint}{about}"


def _as_number(text: str) -> str:
    """Return text as the YAML number that was probably meant; empty if it is none."""
    try:
        number = float(text)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    mantissa, e, exponent = text.strip().lower().partition("e")
    return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}e{exponent}" if e else text.strip()


def _shown(value: Any) -> str:
    """Return a value as one short line."""
    try:
        text = json.dumps(value, default=str, ensure_ascii=True)
    except (ValueError, TypeError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def model_in(type_: Any) -> Any:
    """Return the model among the alternatives of a type; None if there is none."""
    return next(
        (part for part in (type_, *get_args(type_)) if isinstance(part, type) and issubclass(part, BaseModel)), None
    )


def field_at(loc: tuple[int | str, ...]) -> tuple[FieldInfo, Any]:
    """Return the field that a key belongs to, and the type of the value there: a list's element has its own type."""
    model: Any = Config
    field = Config.model_fields[str(loc[0])]
    type_ = full_type(field)
    for number, part in enumerate(loc):
        if isinstance(part, int):
            type_ = _element(type_)
        else:
            field = model.model_fields[part]
            type_ = full_type(field)
            model = model_in(field.annotation) if number + 1 < len(loc) else None
    return field, type_


def full_type(field: FieldInfo) -> Any:
    """Return a field's type with its constraints."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _element(type_: Any) -> Any:
    for part in _alternatives(type_):
        bare = get_args(part)[0] if get_origin(part) is Annotated else part
        if get_origin(bare) is list:
            return get_args(bare)[0]
    return type_


def _alternatives(type_: Any) -> tuple[Any, ...]:
    return get_args(type_) if get_origin(type_) in (Union, UnionType) else (type_,)


def allowed(type_: Any) -> str:
    """Describe in words what a type allows.

    Example:
        >>> from pydantic import Field
        >>> allowed(Annotated[int, Field(ge=1, le=9)] | None)
        'a whole number from 1 to 9, or null'
    """
    if get_origin(type_) in (Union, UnionType):
        return ", or ".join(allowed(part) for part in get_args(type_))
    bare: Any = type_
    limits: dict[str, Any] = {}
    if get_origin(type_) is Annotated:
        bare, *constraints = get_args(type_)
        for constraint in constraints:
            for part in getattr(constraint, "metadata", None) or [constraint]:
                limits |= {
                    name: getattr(part, name)
                    for name in ("ge", "gt", "le", "multiple_of", "min_length", "max_length")
                    if getattr(part, name, None) is not None
                }
    if bare is NoneType:
        return "null"
    if bare is bool:
        return "true or false"
    if bare is str:
        return "text of one line"
    if bare in (int, float):
        what = "a whole number" if bare is int else "a number"
        if "multiple_of" in limits:
            what = f"a multiple of {limits['multiple_of']}"
        low = f"above {limits['gt']:.12g}, at most" if "gt" in limits else f"from {limits.get('ge', 0):.12g} to"
        return f"{what} {low} {limits['le']:.12g}"
    if get_origin(bare) is Literal:
        values = [str(value) for value in get_args(bare)]
        return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"
    if get_origin(bare) is list:
        few, many = limits.get("min_length", 0), limits.get("max_length")
        count = f"{few}" if few == many else f"{few} to {many}"
        return f"a list of {count} values, each {allowed(get_args(bare)[0])}"
    return f"a mapping of the keys {', '.join(bare.model_fields)}"
