"""A real SLURM on this one machine, for tests: its own configuration, keys and state in a temporary folder."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
GPUS = 4
# More processors than there are: what is tested is who gets which card, not how fast.
CPUS = 32
CONF = """\
ClusterName=eaves
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
DefMemPerCPU=1000
GresTypes=gpu
KillWait=60
MinJobAge=3600
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=100000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why there can be no cluster here; None where there can."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=_path())]
    if missing:
        return f"{', '.join(missing)} not found: apt-get install slurmctld slurmd slurm-client munge"
    if os.geteuid() != 0:
        return "starting SLURM and making its pretended GPUs needs root"
    return None


class SlurmCluster:
    """One node with four pretended GPUs; to be used in a `with`."""

    def __init__(self, folder: Path) -> None:
        """Writes configuration and keys into a folder; nothing runs yet."""
        self.folder = folder
        self.node = "node"
        self.environment = {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": os.pathsep.join([str(folder / "bin"), _path()]),
        }
        for name in ("state", "spool", "munge", "dev", "bin"):
            (folder / name).mkdir(parents=True, mode=0o755)
        # Snakemake's plugin takes SLURM's variables away from srun, which then looks in /etc/slurm: it is told again.
        srun = folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        ports = {"controller_port": _free_port(), "node_port": _free_port()}
        host = socket.gethostname().split(".")[0]
        (folder / "slurm.conf").write_text(CONF.format(folder=folder, host=host, cpus=CPUS, gpus=GPUS, **ports))
        # SLURM tells cards apart by their device numbers: these are memory devices of four kinds, never opened.
        for number, minor in enumerate((3, 5, 7, 8)):
            os.mknod(folder / "dev" / f"gpu{number}", 0o20666, os.makedev(1, minor))
        (folder / "gres.conf").write_text(f"NodeName={self.node} Name=gpu File={folder}/dev/gpu[0-{GPUS - 1}]\n")
        key = folder / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self) -> "SlurmCluster":
        munge = self.folder / "munge"
        try:
            self._start(
                *("munged", "--foreground", "--force", f"--socket={munge / 'socket'}", f"--key-file={munge / 'key'}"),
                *(f"--pid-file={munge / 'pid'}", f"--log-file={munge / 'log'}", f"--seed-file={munge / 'seed'}"),
            )
            self._wait("munged", (munge / "socket").exists)
            self._start("slurmctld", "-D", "-c")
            self._wait("slurmctld", lambda: self._asked("scontrol", "ping").returncode == 0)
            self._start("slurmd", "-D", "-N", self.node)
            self._wait("slurmd", lambda: self._asked("sinfo", "-h", "-o", "%T").stdout.strip() in ("idle", "mixed"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if len(self._daemons) == 3:
            self._asked("scancel", "--user=root", "--full")
            deadline = time.monotonic() + 10
            while self._asked("squeue", "-h").stdout and time.monotonic() < deadline:
                time.sleep(0.5)
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(timeout=15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def ask(self, *command: str) -> str:
        """Runs one of SLURM's programs and gives what it says."""
        done = self._asked(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}{self.logs()}"
        return done.stdout

    def jobs(self) -> dict[str, dict[str, str]]:
        """Every job that the controller remembers, by its id, with the fields of `scontrol show job`."""
        told = self._asked("scontrol", "--details", "--oneliner", "show", "job").stdout
        jobs = [dict(part.split("=", 1) for part in line.split() if "=" in part) for line in told.splitlines()]
        return {job["JobId"]: job for job in jobs if "JobId" in job}

    def logs(self) -> str:
        """The ends of the daemons' logs."""
        texts = [path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log"))]
        return "\n".join(text[-2000:] for text in texts)

    def _asked(self, *command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def _start(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("wb") as out:
            self._daemons.append(
                subprocess.Popen(
                    command,
                    env=os.environ | self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def _wait(self, what: str, ready) -> None:
        deadline = time.monotonic() + 60
        while not ready():
            if time.monotonic() > deadline or self._daemons[-1].poll() is not None:
                said = (self.folder / f"{what}.out").read_text(errors="replace")
                raise RuntimeError(f"{what} did not start: {said}{self.logs()}")
            time.sleep(0.2)


def _path() -> str:
    """The search path with the folders of system programs, where the daemons are."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
