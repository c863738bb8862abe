"""Generate a JSON schema for editors, and docs/configuration.md, from the configuration's models.

PYTHONPATH=workflow/scripts python -m eaves.core.config.reference
"""

import json
from typing import Any

from pydantic.fields import FieldInfo

from eaves.core.config.blocks import Block, Config
from eaves.core.config.loading import ROOT, read_file
from eaves.core.config.validation import allowed, full_type, model_in

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"
REFERENCE = ROOT / "docs" / "configuration.md"
HEAD = """# Configuration

Every key of config.yaml, with its default there and the values it allows. This page is generated from
workflow/scripts/eaves/core/config/blocks.py by `make schema`. Any other key or value is refused, in one line, before
anything runs. Settings of the machine or cluster are in profiles/.
"""


def json_schema() -> str:
    """Return the JSON schema of config.yaml."""
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def reference() -> str:
    """Return the page that lists all keys."""
    defaults = read_file(ROOT / "config.yaml")
    parts = [HEAD]
    for name, field in Config.model_fields.items():
        model = model_in(field.annotation)
        if model is None:
            parts.append(f"\n## {name}\n\n{_cell(_description(field))} Default: `{_yaml(defaults[name])}`.\n")
        else:
            parts += [f"\n## {name}\n\n{model.__doc__}\n\n| key | default | allowed | meaning |\n|---|---|---|---|\n"]
            parts += _rows(model, defaults[name] or {})
    return "".join(parts)


def _rows(model: type[Block], defaults: dict[str, Any], above: str = "") -> list[str]:
    rows = []
    for key, field in model.model_fields.items():
        if inner := model_in(field.annotation):
            rows += _rows(inner, defaults[key], f"{above}{key}.")
        else:
            default = f"`{_yaml(defaults[key])}`" if key in defaults else ""
            cells = (f"`{above}{key}`", default, allowed(full_type(field)), _description(field))
            rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |\n")
    return rows


def _description(field: FieldInfo) -> str:
    return field.description or ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def main() -> None:
    """Write both files."""
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(json_schema())
    REFERENCE.write_text(reference())


if __name__ == "__main__":
    main()
