"""One process per GPU: a lock per card, held by the process itself and freed by the kernel however the process ends."""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from eaves.core.cli import LOG
from eaves.core.errors import InputError

FOLDER = Path("/tmp/eaves-gpu-leases")  # the same for all users and jobs of a machine, whatever their TMPDIR is
DRIVER = Path("/proc/driver/nvidia/gpus")
# Set where a scheduler has given out a share of a card: others are meant to compute on it at the same time.
SHARES = ("SLURM_SHARDS_ON_NODE", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE")
POLL_S = 1.0
ANSWER_S = 60.0  # nvidia-smi may take seconds on a machine with many cards, and never answers with a broken one
_held: list[FileLock] = []


@dataclass(frozen=True)
class Card:
    """A GPU: its number as nvidia-smi counts, its UUID, and the UUIDs of the slices (MIG) that it is cut into."""

    index: str
    uuid: str
    slices: tuple[str, ...] = ()


def lease_cards(count: int = 1, folder: Path = FOLDER) -> list[str]:
    """Waits for free GPUs and keeps them until the process ends.

    `CUDA_VISIBLE_DEVICES` says which cards may be taken, and holds the leased ones afterwards; so call this before CUDA
    is first used. Numbers in it are nvidia-smi's. A cluster's job leases among the cards that it was given: in an
    allocation with several of them, many local jobs may run side by side. Nothing is done where it was given a share of
    a card, and where there is no card.

    How it works: a lock on a file per card, named after the card's UUID, in a folder that all users of the machine
    share. The kernel lets go of it when the process dies, even by SIGKILL, so a card is never lost. Several cards are
    taken together or not at all, one process at a time, so that no two wait for each other. Of a card that is cut into
    slices (MIG) it is these that are leased.

    Args:
        count: how many.
        folder: of the locks.

    Returns:
        The UUIDs of the leased cards; none where there was nothing to lease.

    Raises:
        InputError: more are asked for than there are.
    """
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # CUDA would count the fastest first
    if any(name in os.environ for name in SHARES):
        return []
    cards = usable_cards(installed_cards(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    if not cards:
        return []
    if count > 1:
        cards = [card for card in cards if card.startswith("GPU-")]  # CUDA uses one slice a process
    if count > len(cards):
        raise InputError(
            f"{count} GPUs are asked for, but there are {len(cards)} here (slices of a card don't count): lower "
            "run.gpus_per_fold in the configuration, or ask the cluster for more per job"
        )
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o1777)
        locks = _wait_for(cards, count, folder)
    except OSError as error:
        LOG.warning("no GPU is leased, as %s can't be used (%s): other processes may use the same one", folder, error)
        return []
    _held.extend(locks.values())
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(locks)
    LOG.info("leased GPU %s", ", ".join(locks))
    return list(locks)


def _wait_for(cards: list[str], count: int, folder: Path) -> dict[str, FileLock]:
    """Locks `count` cards as soon as so many are free."""
    waiting = False
    while not (locks := _take(cards, count, folder)):
        if not waiting:
            LOG.info("%d of %d GPUs needed, and not free; waiting", count, len(cards))
            waiting = True
        time.sleep(POLL_S)
    return locks


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


def installed_cards() -> list[Card]:
    """Lists the machine's GPUs that this process may use; none where there is no driver.

    They are as nvidia-smi has them or, where there is no such program, as the driver has them, which knows no slices.
    """
    return _told_by_program() or _told_by_driver()


def _told_by_program() -> list[Card]:
    if not shutil.which("nvidia-smi"):
        return []
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=ANSWER_S
        ).stdout
    except subprocess.TimeoutExpired:
        return []
    cards: list[Card] = []
    for line in listed.splitlines():
        if found := re.match(r"GPU (\d+): .*\(UUID: (GPU-[^)]+)\)", line):
            cards.append(Card(found[1], found[2]))
        elif cards and (found := re.match(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)", line)):
            cards[-1] = Card(cards[-1].index, cards[-1].uuid, (*cards[-1].slices, found[1]))
    return cards


def _told_by_driver(folder: Path = DRIVER) -> list[Card]:
    """Lists GPUs by the driver's table, whose entries are named after the PCI bus, by which nvidia-smi counts as well.

    It has all cards of the machine. A container or a cluster's job may use those that it can open.
    """
    cards: list[Card] = []
    for entry in sorted(folder.glob("*/information")):
        text = entry.read_text()
        uuid = re.search(r"^GPU UUID:\s*(GPU-[0-9a-f-]+)$", text, re.MULTILINE)
        minor = re.search(r"^Device Minor:\s*(\d+)$", text, re.MULTILINE)
        if uuid and minor and _can_open(Path(f"/dev/nvidia{minor[1]}")):
            cards.append(Card(str(len(cards)), uuid[1]))
    return cards


def _can_open(device: Path) -> bool:
    """Tells whether a device may be used: its permissions alone don't, where a control group forbids it."""
    try:
        os.close(os.open(device, os.O_RDWR))
    except OSError:
        return False
    return True


def usable_cards(installed: list[Card], given: str | None) -> list[str]:
    """Picks what `CUDA_VISIBLE_DEVICES` allows, by UUID: cards, and in place of those that are cut up, their slices.

    Args:
        installed: the machine's cards.
        given: numbers or (beginnings of) UUIDs, comma-separated; None allows all.

    Example:
        >>> cards = [Card("0", "GPU-aa"), Card("1", "GPU-bb", ("MIG-b1", "MIG-b2")), Card("2", "GPU-cc")]
        >>> usable_cards(cards, "2,GPU-a,MIG-b2")
        ['GPU-cc', 'GPU-aa', 'MIG-b2']
        >>> usable_cards(cards, None)
        ['GPU-aa', 'MIG-b1', 'MIG-b2', 'GPU-cc']
    """
    if given is None:
        return [uuid for card in installed for uuid in card.slices or [card.uuid]]
    chosen: list[str] = []
    for name in map(str.strip, given.split(",")):
        cards = [card for card in installed if name and (card.index == name or card.uuid.startswith(name))]
        slices = [uuid for card in installed for uuid in card.slices if name and uuid.startswith(name)]
        if len(cards) + len(slices) != 1:  # as CUDA has it: what follows an invalid entry is ignored
            break
        chosen += slices or cards[0].slices or [cards[0].uuid]
    return list(dict.fromkeys(chosen))
