"""Snakemake's own record of the jobs that really ran: what each read, by which code and settings.

Snakemake keeps one JSON file per output in .snakemake/metadata of the working folder. They tell more than the plan
does: with `--rerun-triggers mtime`, say, what is planned now need not be what made the files.
"""

import ast
import json
import os
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eaves.core.errors import InputError

FOLDER = Path(".snakemake") / "metadata"
VERSIONS = (6,)  # of the records, that this module knows
_CODE = re.compile(r"'([0-9a-f]{16})'")
_SCRIPT = re.compile(r"\"\$SCRIPTS\"/(\w+\.py)")


@dataclass(frozen=True)
class JobRecord:
    """What one job did.

    rule: its name. job: a name of its own, that of its log without folder and ending. script: what it ran, a file in
    workflow/scripts. code: the script's code hash then. settings: the blocks of the configuration that it was given.
    inputs: each file it read, with the SHA-256 that this had then, or None where Snakemake did not take it. log: its
    log file.
    """

    rule: str
    job: str
    script: str
    code: str
    settings: dict[str, Any]
    inputs: dict[str, str | None]
    log: Path


def read(output: str, blocks: set[str], folder: Path = FOLDER) -> JobRecord | None:
    """Reads what made a file.

    Args:
        output: the file, as the rule names it.
        blocks: the names of the configuration's blocks; a JSON parameter with no other keys is a job's settings.
        folder: where Snakemake keeps the records.

    Returns:
        The record, or None where there is none: no rule has made the file.

    Raises:
        InputError: the record is of a version of Snakemake that is not known here, or damaged.
    """
    try:
        found = json.loads(_place(folder, output).read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(
            f"{output}: Snakemake's record of it is damaged; make it again: snakemake --force {output}"
        ) from error
    if found["record_format_version"] not in VERSIONS:
        raise InputError(
            f"{output}: Snakemake's record of it has version {found['record_format_version']}, and Eaves reads "
            f"{', '.join(map(str, VERSIONS))}; use the Snakemake of envs/requirements.txt"
        )
    codes, settings = "", {}
    for param in found["params"] or []:
        if match := _CODE.fullmatch(param):
            codes = match[1]
        elif param[1:2] == "{" and (given := _blocks(param, blocks)) is not None:
            settings = given
    script = _SCRIPT.search(found["code"] or "")
    log = Path((found["log"] or [f"{found['rule']}.log"])[0])
    checksums = found["input_checksums"] or {}
    return JobRecord(
        rule=found["rule"],
        job="/".join(log.with_suffix("").parts[2:]) or log.stem,
        script=script[1] if script else "",
        code=codes,
        settings=settings,
        inputs={path: _sha256(checksums.get(path)) for path in sorted(found["input"] or [])},
        log=log,
    )


def _blocks(param: str, blocks: set[str]) -> dict[str, Any] | None:
    """A parameter, as Snakemake writes it down, as blocks of the configuration; None if it is something else."""
    try:
        given = json.loads(ast.literal_eval(param))
    except (ValueError, SyntaxError):
        return None
    return given if given and set(given) <= blocks else None


def _sha256(checksum: str | None) -> str | None:
    algorithm, _, digits = (checksum or "").rpartition(":")
    return digits if digits and algorithm in ("", "sha256") else None


def _place(folder: Path, output: str) -> Path:
    """Where the record of an output is: its name in Base64, in folders of "@..." where that is too long for a name."""
    name = urlsafe_b64encode(output.encode()).decode()
    try:
        longest = os.pathconf(folder, "PC_NAME_MAX") - 1
    except OSError:  # no such folder
        longest = 254
    parts = [name[start : start + longest] for start in range(0, len(name), longest)]
    return folder.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])
