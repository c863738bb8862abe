"""Unfinished training on disk: whole or not there, and taken up only by the same run."""

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from eaves.core.cli import LOG
from eaves.core.files import atomic_write, sync

_DIGEST_BYTES = 32


def save(path: Path, state: dict[str, Any], run: str) -> None:
    """Write a checkpoint; the one before is kept as `<name>.previous` until this one is on the disk.

    Args:
        path: where to.
        state: tensors and plain values.
        run: what the checkpoint belongs to, e.g. a hash of settings, data and code.

    Raises:
        WriteError: it cannot be written; the one before is still there.
    """
    buffer = io.BytesIO()
    torch.save({"run": run, "state": state}, buffer)
    content = buffer.getbuffer()
    with atomic_write(path, _DIGEST_BYTES + len(content)) as temporary:
        with temporary.open("wb") as stream:
            stream.write(sha256(content).digest())
            stream.write(content)
        sync(temporary)
        if path.exists():
            path.replace(_previous(path))


def load(path: Path, run: str, quiet: bool = False) -> dict[str, Any] | None:
    """Reads the newest whole checkpoint of this very run.

    Args:
        path: as given to `save`.
        run: as given to `save`.
        quiet: say nothing of what was found.

    Returns:
        The state, or None where training has to start at the beginning; the log says why.
    """
    for candidate in (path, _previous(path)):
        if not candidate.exists():
            continue
        content = candidate.read_bytes()
        if sha256(content[_DIGEST_BYTES:]).digest() != content[:_DIGEST_BYTES]:
            if not quiet:
                LOG.warning("%s is damaged; looking for the one before", candidate)
            continue
        found = torch.load(io.BytesIO(content[_DIGEST_BYTES:]), map_location="cpu", weights_only=True)
        if found["run"] != run:
            if not quiet:
                LOG.warning(
                    "%s was made with other settings, data, code or packages, or on another device; training starts at "
                    "the beginning",
                    candidate,
                )
            return None
        return found["state"]
    return None


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".previous")
