"""Compare a result's lineage with the files, the code and the settings as they are now."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from eaves.core import code_hash
from eaves.core.records import sha256_of
from eaves.provenance.graph import Lineage

_SHOWN_DIGITS = 12  # of a hash, in messages


@dataclass
class Check:
    """The outcome of a comparison.

    Attributes:
        lineage: the content of provenance.json.
        chain: the result and all files that it comes from.
        of_file, of_job: for each file or job that no longer matches, a sentence per difference.
    """

    lineage: Lineage
    chain: list[str]
    of_file: dict[str, list[str]] = field(default_factory=dict)
    of_job: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def jobs(self) -> list[str]:
        """The jobs that made the files of the chain, in its order."""
        found = (self.lineage.job_of(path) for path in self.chain)
        return list(dict.fromkeys(job for job in found if job is not None))

    @property
    def matches(self) -> bool:
        """Whether every file and job matches."""
        return not (self.of_file or self.of_job)


def check(lineage: Lineage, start: str, config: dict[str, Any], scripts: Path) -> Check:
    """Compare a result's chain with the files, the code and the configuration as they are now.

    Args:
        lineage: the content of provenance.json.
        start: the result.
        config: the configuration in use.
        scripts: the folder of the scripts in use.

    Raises:
        InputError: provenance.json has no entry for the result.
    """
    done = Check(lineage, lineage.chain(start))
    for path, fault in zip(done.chain, _file_faults(lineage, done.chain), strict=True):
        if fault:
            done.of_file[path] = [fault]
    for path in done.chain:
        for name, digest in lineage.inputs(path).items():
            if digest != (recorded := lineage.recorded(name)["sha256"]):
                fault = f"was made from another {name}: {_short(digest)}, not {_short(recorded)}"
                done.of_file.setdefault(path, []).append(fault)
    hashes: dict[str, str | None] = {}
    for job in done.jobs:
        entry = lineage.jobs[job]
        faults = [*_code_faults(entry, scripts, hashes), *_setting_faults(entry["settings"], config)]
        if faults:
            done.of_job[job] = faults
    return done


def _file_faults(lineage: Lineage, paths: list[str]) -> Iterable[str | None]:
    """Describe for each file whether it is missing or has changed; None where it matches."""
    digests = sha256_of(lineage.folder / path for path in paths)
    for path, digest in zip(paths, digests, strict=True):
        recorded = lineage.recorded(path)["sha256"]
        if digest is None:
            yield "missing"
        elif digest != recorded:
            yield f"changed: {_short(digest)}, was {_short(recorded)}"
        else:
            yield None


def _code_faults(entry: dict[str, Any], scripts: Path, known: dict[str, str | None]) -> Iterable[str]:
    """Describe whether a job's script has changed; `known` caches the code hashes of scripts."""
    script = entry["script"]
    if script not in known:
        file = scripts / script
        known[script] = code_hash.code_hash(file) if script and file.is_file() else None
    if known[script] != entry["code"]:
        yield f"code of {script} changed: {known[script] or 'no such script'}, was {entry['code']}"


def _setting_faults(recorded: dict[str, Any], config: dict[str, Any], above: str = "") -> Iterable[str]:
    """Describe which keys have another value now; keys that the job was not given are ignored."""
    for key, old in sorted(recorded.items()):
        name = f"{above}{key}"
        if key not in config:
            yield f"setting {name} is gone, was {json.dumps(old)}"
        elif isinstance(old, dict) and isinstance(config[key], dict):
            yield from _setting_faults(old, config[key], f"{name}.")
        elif config[key] != old:
            yield f"setting {name} changed: {json.dumps(config[key])}, was {json.dumps(old)}"


def _short(digest: str) -> str:
    return digest[:_SHOWN_DIGITS]
