"""One process per GPU: a lock per card, held by the process itself and freed by the kernel however the process ends."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

from eaves.console import LOG
from eaves.errors import InputError

# Schedulers that hand out cards themselves; what they assigned is left as it is.
CLUSTER_VARIABLES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")
POLL_S = 1.0
_held: list[FileLock] = []


def lease_cards(count: int = 1, folder: Path | None = None) -> list[str]:
    """Waits for free GPUs and keeps them until the process ends.

    `CUDA_VISIBLE_DEVICES` says which cards may be taken, and holds the leased ones afterwards; so call this before CUDA
    is first used. Nothing is done where a cluster has assigned the cards, where a slice of a card (MIG) is given, and
    where there is no card.

    How it works: a lock on a file per card, named after the card's UUID, in a folder that all users of the machine
    share. The kernel lets go of it when the process dies, even by SIGKILL, so a card is never lost. Several cards are
    taken together or not at all, one process at a time, so that no two wait for each other.

    Args:
        count: how many.
        folder: of the locks; by default one in the system's temporary folder.

    Returns:
        The UUIDs of the leased cards; none where there was nothing to lease.

    Raises:
        InputError: more are asked for than there are.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if any(name in os.environ for name in CLUSTER_VARIABLES) or (given is not None and "MIG-" in given):
        return []
    cards = usable_cards(installed_cards(), given)
    if not cards:
        return []
    if count > len(cards):
        raise InputError(f"{count} GPUs are asked for, but there are {len(cards)}: lower `gpus` in the configuration")
    folder = folder or Path(tempfile.gettempdir()) / "eaves-gpu-leases"
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)
    waiting = False
    while not (locks := _take(cards, count, folder)):
        if not waiting:
            LOG.info("%d of %d GPUs needed, and not free; waiting", count, len(cards))
            waiting = True
        time.sleep(POLL_S)
    _held.extend(locks.values())
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(locks)
    LOG.info("leased GPU %s", ", ".join(locks))
    return list(locks)


def _take(cards: list[str], count: int, folder: Path) -> dict[str, FileLock]:
    """Locks the first `count` free cards; none where there are fewer."""
    taken: dict[str, FileLock] = {}
    with FileLock(folder / "choosing.lock", mode=0o666):
        for card in cards:
            lock = FileLock(folder / f"{card}.lock", mode=0o666)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            taken[card] = lock
            if len(taken) == count:
                return taken
        for lock in taken.values():
            lock.release()
    return {}


def installed_cards() -> list[tuple[str, str]]:
    """Lists (index, UUID) of the machine's GPUs, as nvidia-smi has them; none where there is no such program."""
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True, check=False)
    rows = [tuple(part.strip() for part in line.split(",")) for line in found.stdout.splitlines()]
    return [(row[0], row[1]) for row in rows if len(row) == 2] if found.returncode == 0 else []


def usable_cards(installed: list[tuple[str, str]], given: str | None) -> list[str]:
    """Picks the cards that `CUDA_VISIBLE_DEVICES` allows, by UUID.

    Args:
        installed: (index, UUID) of each.
        given: indices or (beginnings of) UUIDs, comma-separated; None allows all.

    Example:
        >>> usable_cards([("0", "GPU-aa"), ("1", "GPU-bb"), ("2", "GPU-cc")], "2,GPU-a")
        ['GPU-cc', 'GPU-aa']
    """
    if given is None:
        return [uuid for _, uuid in installed]
    chosen = []
    for name in given.split(","):
        fitting = [
            uuid
            for index, uuid in installed
            if name.strip() and (index == name.strip() or uuid.startswith(name.strip()))
        ]
        if len(fitting) != 1:  # as CUDA has it: what follows an invalid entry is ignored
            break
        chosen += fitting
    return chosen
