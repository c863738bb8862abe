"""Checkpoints of unfinished training: written atomically, verified, and loaded only by the same training job."""

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from eaves.core.cli import LOG
from eaves.core.files import atomic_write, sync

_DIGEST_BYTES = 32


def save(path: Path, state: dict[str, Any], identity: str) -> None:
    """Write a checkpoint; the previous one is kept as `<name>.previous`.

    Args:
        path: the file to write.
        state: tensors and plain values.
        identity: identifies the training job (see `identity`).

    Raises:
        WriteError: the file cannot be written; the previous checkpoint is still there.
    """
    buffer = io.BytesIO()
    torch.save({"identity": identity, "state": state}, buffer)
    content = buffer.getbuffer()
    with atomic_write(path, _DIGEST_BYTES + len(content)) as temporary:
        with temporary.open("wb") as stream:
            stream.write(sha256(content).digest())
            stream.write(content)
        sync(temporary)
        if path.exists():
            path.replace(_previous(path))


def load(path: Path, identity: str) -> dict[str, Any] | None:
    """Load the newest intact checkpoint of a training job.

    Args:
        path: as passed to `save`.
        identity: as passed to `save`.

    Returns:
        The state, or None if training has to start from the beginning; the log says why if there was a checkpoint.
    """
    for candidate in (path, _previous(path)):
        if not candidate.exists():
            continue
        content = candidate.read_bytes()
        if sha256(content[_DIGEST_BYTES:]).digest() != content[:_DIGEST_BYTES]:
            LOG.warning("%s is damaged; trying the previous checkpoint", candidate)
            continue
        checkpoint = torch.load(io.BytesIO(content[_DIGEST_BYTES:]), map_location="cpu", weights_only=True)
        if checkpoint["identity"] != identity:
            LOG.warning(
                "%s was made with other settings, data, code or packages, or on another device; training starts from "
                "the beginning",
                candidate,
            )
            return None
        return checkpoint["state"]
    return None


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".previous")
