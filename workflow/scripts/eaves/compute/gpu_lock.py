"""Exclusive use of GPUs: a file lock per GPU, which the kernel releases however the process ends."""

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

# Shared by all users and jobs on a machine, so it must not depend on TMPDIR.
LOCK_FOLDER = Path("/tmp/eaves-gpu-leases")
DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")
# Set where a scheduler has assigned a share of a GPU, which other processes are meant to use at the same time.
SHARED_GPU_VARIABLES = ("SLURM_SHARDS_ON_NODE", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE")
POLL_S = 1.0
# nvidia-smi takes seconds on a machine with many GPUs, and hangs on a broken one.
NVIDIA_SMI_TIMEOUT_S = 60.0
_held: list[FileLock] = []  # keeps the locks referenced, and so held, until the process ends


@dataclass(frozen=True)
class Gpu:
    """An installed GPU.

    index: its number in nvidia-smi. uuid: its UUID. slices: UUIDs of its MIG instances, if it is partitioned.
    """

    index: str
    uuid: str
    slices: tuple[str, ...] = ()


def lock_gpus(count: int = 1, folder: Path = LOCK_FOLDER) -> list[str]:
    """Wait until GPUs are free and lock them until the process ends.

    `CUDA_VISIBLE_DEVICES` limits the choice, with GPU numbers as in nvidia-smi, and is set to the locked GPUs; so this
    must be called before CUDA is initialised. In a cluster job, it locks GPUs among those assigned to the job, since
    several local jobs may share an allocation. Nothing is locked without a GPU, or where only a share of a GPU was
    assigned.

    How it works: each GPU has a lock file, named after its UUID, in a folder shared by all users of the machine. The
    kernel releases the lock when the process dies, even from SIGKILL, so a GPU cannot stay locked. Several GPUs are
    locked together or not at all, by one process at a time, which prevents deadlocks. Of a GPU partitioned by MIG, the
    instances are locked individually.

    Args:
        count: number of GPUs to lock.
        folder: folder of the lock files.

    Returns:
        UUIDs of the locked GPUs; empty where nothing was locked.

    Raises:
        InputError: `count` exceeds the number of GPUs.
    """
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as in nvidia-smi; by default, CUDA numbers the fastest GPU 0
    if any(name in os.environ for name in SHARED_GPU_VARIABLES):
        return []
    uuids = visible_gpus(installed_gpus(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    if not uuids:
        return []
    if count > 1:
        uuids = [uuid for uuid in uuids if uuid.startswith("GPU-")]  # a process can use only one MIG instance
    if count > len(uuids):
        raise InputError(
            f"{count} GPUs are configured, but only {len(uuids)} are available (MIG instances don't count): lower "
            "run.gpus_per_fold in the configuration, or request more per job from the cluster"
        )
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o1777)
        locks = _wait_for_locks(uuids, count, folder)
    except OSError as error:
        LOG.warning("no GPU is locked, because %s can't be used (%s): processes may share a GPU", folder, error)
        return []
    _held.extend(locks.values())
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(locks)
    LOG.info("locked GPU %s", ", ".join(locks))
    return list(locks)


def _wait_for_locks(uuids: list[str], count: int, folder: Path) -> dict[str, FileLock]:
    """Lock `count` GPUs, waiting until that many are free."""
    waiting = False
    while not (locks := _try_lock(uuids, count, folder)):
        if not waiting:
            LOG.info("waiting for %d of %d GPUs to become free", count, len(uuids))
            waiting = True
        time.sleep(POLL_S)
    return locks


def _try_lock(uuids: list[str], count: int, folder: Path) -> dict[str, FileLock]:
    """Lock the first `count` free GPUs; return an empty dict if fewer are free."""
    locks: dict[str, FileLock] = {}
    with FileLock(folder / "choosing.lock", mode=0o666):
        for uuid in uuids:
            lock = FileLock(folder / f"{uuid}.lock", mode=0o666)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            locks[uuid] = lock
            if len(locks) == count:
                return locks
        for lock in locks.values():
            lock.release()
    return {}


def installed_gpus() -> list[Gpu]:
    """List the machine's GPUs that this process may use; empty without an NVIDIA driver.

    They come from nvidia-smi or, where that is missing, from the driver, which doesn't list MIG instances.
    """
    return _list_with_nvidia_smi() or _list_from_driver()


def _list_with_nvidia_smi() -> list[Gpu]:
    if not shutil.which("nvidia-smi"):
        return []
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=NVIDIA_SMI_TIMEOUT_S
        ).stdout
    except subprocess.TimeoutExpired:
        return []
    gpus: list[Gpu] = []
    for line in listed.splitlines():
        if match := re.match(r"GPU (\d+): .*\(UUID: (GPU-[^)]+)\)", line):
            gpus.append(Gpu(match[1], match[2]))
        elif gpus and (match := re.match(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)", line)):
            gpus[-1] = Gpu(gpus[-1].index, gpus[-1].uuid, (*gpus[-1].slices, match[1]))
    return gpus


def _list_from_driver(folder: Path = DRIVER_FOLDER) -> list[Gpu]:
    """List GPUs from the driver's folder in /proc, in the order of their PCI bus ids, as nvidia-smi numbers them.

    The folder lists all GPUs of the machine; a container or cluster job can use only those whose device it can open.
    """
    gpus: list[Gpu] = []
    for entry in sorted(folder.glob("*/information")):
        text = entry.read_text()
        uuid = re.search(r"^GPU UUID:\s*(GPU-[0-9a-f-]+)$", text, re.MULTILINE)
        minor = re.search(r"^Device Minor:\s*(\d+)$", text, re.MULTILINE)
        if uuid and minor and _can_open(Path(f"/dev/nvidia{minor[1]}")):
            gpus.append(Gpu(str(len(gpus)), uuid[1]))
    return gpus


def _can_open(device: Path) -> bool:
    """Return whether a device can be opened; a control group may forbid it whatever the permissions are."""
    try:
        os.close(os.open(device, os.O_RDWR))
    except OSError:
        return False
    return True


def visible_gpus(installed: list[Gpu], visible_devices: str | None) -> list[str]:
    """Select the GPUs that `CUDA_VISIBLE_DEVICES` allows; a partitioned GPU is replaced by its MIG instances.

    Args:
        installed: the machine's GPUs.
        visible_devices: the variable's value, GPU numbers or (prefixes of) UUIDs, comma-separated; None allows all.

    Returns:
        UUIDs.

    Example:
        >>> gpus = [Gpu("0", "GPU-aa"), Gpu("1", "GPU-bb", ("MIG-b1", "MIG-b2")), Gpu("2", "GPU-cc")]
        >>> visible_gpus(gpus, "2,GPU-a,MIG-b2")
        ['GPU-cc', 'GPU-aa', 'MIG-b2']
        >>> visible_gpus(gpus, None)
        ['GPU-aa', 'MIG-b1', 'MIG-b2', 'GPU-cc']
    """
    if visible_devices is None:
        return [uuid for gpu in installed for uuid in gpu.slices or [gpu.uuid]]
    uuids: list[str] = []
    for name in map(str.strip, visible_devices.split(",")):
        gpus = [gpu for gpu in installed if name and (gpu.index == name or gpu.uuid.startswith(name))]
        slices = [uuid for gpu in installed for uuid in gpu.slices if name and uuid.startswith(name)]
        if len(gpus) + len(slices) != 1:  # CUDA, too, ignores everything after an invalid entry
            break
        uuids += slices or gpus[0].slices or [gpus[0].uuid]
    return list(dict.fromkeys(uuids))
