"""Load the configuration: files laid over one another, settings of the command line, and blocks for scripts."""

import importlib
import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from eaves.core.errors import InputError

ROOT = Path(__file__).resolve().parents[5]
CONFIG = ROOT / "config.yaml"
MAX_DEPTH = 50  # of brackets and indentation in a file; deeper ones exhaust the parser


def check(config: dict[str, Any]) -> None:
    """Validate a whole configuration.

    Raises:
        InputError: One line per fault, with the key, its value and what is allowed.
    """
    _validation().validate(config)


def _validation() -> Any:
    """Import the validation by name, so that it does not count as part of a script's code (see `code_hash`).

    A change in the validation then reruns no job: what a script computes depends on the values alone, which are params
    of its rule.
    """
    return importlib.import_module("eaves.core.config.validation")


def section(text: str | None, *names: str) -> dict[str, Any]:
    """Return the blocks of the configuration that a script uses.

    Args:
        text: The blocks as JSON, as passed by the workflow; or, for a script run by hand, the name of a YAML file laid
            over the repository's config.yaml; None for config.yaml as it is.
        names: The blocks wanted.

    Raises:
        InputError: The file is missing or cannot be read, a value is not allowed, or a block is missing.
    """
    if text is not None and text.lstrip().startswith("{"):
        try:
            given = json.loads(text)
        except ValueError as error:
            raise InputError(f"--settings: not valid JSON ({error}); give JSON or the name of a YAML file") from error
        _validation().validate_blocks(given)
    else:
        given = load([Path(text)] if text else [])
    missing = [name for name in names if name not in given]
    if missing:
        raise InputError(f"--settings: no block {', '.join(missing)}; add it")
    return {name: given[name] for name in names}


def load(overlays: list[Path], more: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the whole configuration: config.yaml with overlays merged into it, as Snakemake merges them.

    Args:
        overlays: YAML files, each laid over those before it.
        more: Keys and values laid over all.

    Raises:
        InputError: A file is missing or cannot be read, or the result is not valid.
    """
    config: dict[str, Any] = {}
    for path in (CONFIG, *overlays):
        config = merge(config, read_file(path))
    config = merge(config, more or {})
    check(config)
    return config


class _Loader(yaml.SafeLoader):
    """Refuses keys that are given twice, keys that are not text, and nesting deeper than `MAX_DEPTH`."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError(f"nested more than {MAX_DEPTH} levels deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                raise yaml.YAMLError(f"line {line}: a key that is not text; put it in quotes")
            if key.value in seen:
                raise yaml.YAMLError(f"line {line}: the key {key.value} is given twice; remove one of them")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_file(path: Path) -> dict[str, Any]:
    """Read a file of settings.

    Raises:
        InputError: It is missing, empty, not UTF-8, not YAML, or not a mapping; a key is given twice.
    """
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read ({why}); it must be a YAML file") from error
    if not isinstance(found, dict):
        what = "is empty" if found is None else f"holds a {type(found).__name__}"
        raise InputError(f"{path}: {what}, but must hold blocks of settings, e.g. `split: {{folds: 3}}`")
    return found


def from_command_line(pairs: list[str]) -> dict[str, Any]:
    """Parse settings given as KEY=VALUE, where the value is YAML and dots in the key separate nested keys.

    Args:
        pairs: E.g. `train.epochs=3` or `train={epochs: 3}`.

    Raises:
        InputError: One of them is not such a pair, or its value is not YAML.

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
            value = yaml.load(text, Loader=_Loader)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InputError(f"{pair}: the value is not YAML ({' '.join(str(error).split())})") from error
        for name in reversed(key.split(".")):
            value = {name: value}
        found = merge(found, value)
    return found


def parse_text_values(given: Any) -> Any:
    """Parse values that are text as YAML scalars, at any depth.

    Snakemake's `--config split='{folds: 9}'` turns the 9 into text. Text that is not a number, boolean or null stays.

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
    except (yaml.YAMLError, ValueError):
        return given
    return value if value is None or isinstance(value, bool | int | float) else given


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Merge an overlay into a configuration, block by block, as Snakemake's `--configfile` does.

    Example:
        >>> merge({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 4}})
        {'a': {'b': 4, 'c': 2}, 'd': 3}
    """
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged
