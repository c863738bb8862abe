"""The workflow on a real SLURM with four pretended GPUs: who gets which card, and what interruptions cost (nothing)."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import slurm_cluster
import yaml
from slurm_cluster import GPUS, SlurmCluster
from toy import OVERLAY, PROJECT_ROOT, environment, merged, snakemake

FOLDS = 5
WITH_CARD = ("warmup.py", "train.py", "predict.py")
TINY = merged(
    OVERLAY,
    {
        "scenes": {"train": FOLDS, "test": 1, "size": 128},
        "split": {"folds": FOLDS},
        "sample": {"crops_per_tile": 4},
        "train": {"epochs": 4},  # long enough to be met while it trains
    },
)
# A toy of seconds: SLURM is asked often. Accounting needs a database; without one, jobs are followed by squeue.
HURRY = ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1")
PROFILE = ("--profile", PROJECT_ROOT / "profiles" / "slurm", "--max-threads", "1", *HURRY)

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(slurm_cluster.why_not() is not None, reason=str(slurm_cluster.why_not())),
]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A cluster that runs while the tests do."""
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as started:
        yield started


@dataclass
class Training:
    """A training process, or one that predicts, that was seen running as a job. fold: of training."""

    process: int
    job: str
    fold: int | None
    stage: str
    card: str

    def asked_to_end(self) -> bool:
        """Whether SIGTERM waits for the stopped process, or has ended it: some of SLURM's come with a SIGCONT."""
        try:
            status = Path(f"/proc/{self.process}/status").read_text()
        except OSError:
            return True
        masks = re.findall(r"(?:ShdPnd|SigPnd):\s*(\w+)", status)
        return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks)

    def go_on(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGCONT)


@dataclass
class Run:
    """A run of the workflow on the cluster, with what was seen of its training processes."""

    folder: Path
    cluster: SlurmCluster
    main: subprocess.Popen
    samples: list[list[Training]] = field(default_factory=list)

    def watch(self) -> None:
        """Samples the processes with a card until the run ends."""
        while self.main.poll() is None:
            if found := self.with_card():
                self.samples.append(found)
            time.sleep(0.1)

    def with_card(self) -> list[Training]:
        """The processes of this run that ask for a card, now."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().decode().split("\0")
                if not (command[0].endswith("python") and Path(command[1]).name in WITH_CARD):
                    continue
                if (entry / "cwd").resolve() != self.folder.resolve():
                    continue
                told = dict(line.split("=", 1) for line in (entry / "environ").read_text().split("\0") if "=" in line)
            except (OSError, IndexError, ValueError):
                continue  # another's, or gone by now
            fold = int(command[command.index("--fold") + 1]) if "--fold" in command else None
            stage, card = Path(command[1]).stem, told.get("CUDA_VISIBLE_DEVICES", "")
            found.append(Training(int(entry.name), told.get("SLURM_JOB_ID", ""), fold, stage, card))
        return found

    def hold(self, but: set[int]) -> Training:
        """Stops a training process in the middle, of a fold not in `but`, so that no event can come too late for it."""

        def middle() -> Training | None:
            for training in self.with_card():
                begun = self.folder / "results" / "checkpoints" / f"train-{training.fold}.pt"
                if training.stage == "train" and training.fold not in but and begun.exists():
                    os.kill(training.process, signal.SIGSTOP)
                    return training
            return None

        return self.until("a training process in the middle", middle)

    def until(self, what: str, seen: Callable[[], Any], timeout_s: float = 300) -> Any:
        """Waits until something is seen while the run goes on."""
        deadline = time.monotonic() + timeout_s
        while not (value := seen()):
            assert self.main.poll() is None, f"the run ended before {what}: {self.said()}"
            assert time.monotonic() < deadline, f"never seen: {what}: {self.said()}"
            time.sleep(0.05)
        return value

    def log(self, training: Training) -> str:
        """What a job that did not end well has said."""
        folder = self.folder / ".snakemake" / "slurm_logs"
        return "".join(path.read_text() for path in folder.rglob(f"{training.job}.log"))

    def said(self) -> str:
        return (self.folder / "run.log").read_text()[-6000:]


@pytest.fixture(scope="module")
def eventful(cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The toy's run on the cluster: a training job is cancelled, one meets its time limit, and the node is drained."""
    folder = tmp_path_factory.mktemp("on-slurm")
    (folder / "overlay.yaml").write_text(yaml.safe_dump(TINY))
    cache = tmp_path_factory.mktemp("folds-of-slurm")
    command = [sys.executable, "-m", "snakemake", "--snakefile", PROJECT_ROOT / "Snakefile", "--directory", folder]
    command += [*PROFILE, "--configfile", folder / "overlay.yaml"]
    told = environment() | cluster.environment | {"EAVES_FOLD_CACHE": str(cache)}
    del told["CUDA_VISIBLE_DEVICES"]  # SLURM's to set
    # The same at home, meanwhile: a run on a cluster is mostly waiting.
    at_home = tmp_path_factory.mktemp("at-home")
    done = ThreadPoolExecutor(1).submit(snakemake, at_home, overlay=TINY)
    with (folder / "run.log").open("wb") as log:
        main = subprocess.Popen(
            list(map(str, command)), cwd=PROJECT_ROOT, env=told, stdout=log, stderr=subprocess.STDOUT
        )
        run = Run(folder, cluster, main)
        watcher = threading.Thread(target=run.watch)
        watcher.start()
        try:
            seen = _interrupt(run)
            yield {"run": run, "cache": cache, "environment": told, "at home": (at_home, done), **seen}
        finally:
            main.kill()  # where something went wrong; it has ended otherwise
            main.wait()
            watcher.join()


def _interrupt(run: Run) -> dict[str, Any]:
    """Lets everything happen to the run that happens on clusters, and waits for its end."""
    cancelled = run.hold(but=set())
    limited = run.hold(but={cancelled.fold})
    run.cluster.ask("scontrol", "update", f"NodeName={run.cluster.node}", "State=DRAIN", "Reason=test")
    run.cluster.ask("scancel", cancelled.job)
    # One to two minutes are left from now on: the warning, due two minutes before the end, comes first.
    hours, minutes, _ = map(int, run.cluster.jobs()[limited.job]["RunTime"].split(":"))
    run.cluster.ask("scontrol", "update", f"JobId={limited.job}", f"TimeLimit={60 * hours + minutes + 2}")
    for training in (cancelled, limited):
        run.until("SLURM's signal", training.asked_to_end)
        training.go_on()
    sent_again = run.until("jobs that wait for the drained node", lambda: _waiting(run) or None)
    drained = run.cluster.ask("sinfo", "-h", "-o", "%T").strip()
    run.cluster.ask("scontrol", "update", f"NodeName={run.cluster.node}", "State=RESUME")
    status = run.main.wait(timeout=400)
    return {
        "cancelled": cancelled,
        "limited": limited,
        "waiting": sent_again,
        "drained": drained,
        "status": status,
    }


def _waiting(run: Run) -> list[str]:
    """Jobs that SLURM does not start because the node takes no more."""
    return [name for name, job in run.cluster.jobs().items() if job["JobState"] == "PENDING"]


def test_no_two_jobs_share_a_card_and_several_train_at_a_time(eventful):
    assert eventful["status"] == 0, eventful["run"].said()
    samples = eventful["run"].samples
    for sample in samples:
        held = {(training.job, training.card) for training in sample}  # a process may have children
        cards = [card for _, card in held]
        assert len(set(cards)) == len(cards), sample
        assert set(cards) <= {str(number) for number in range(GPUS)}
    assert max(map(len, samples)) > 1
    seen = {(training.stage, training.fold) for sample in samples for training in sample}
    assert {("train", fold) for fold in range(FOLDS)} | {("predict", None)} <= seen


@pytest.mark.parametrize("event", ["cancelled", "limited"])
def test_an_interrupted_job_saves_and_its_successor_goes_on_from_there(eventful, event):
    training, run = eventful[event], eventful["run"]
    stopped = re.search(r"SIGTERM: stopped in epoch (\d+) after step (\d+)", run.log(training))
    assert stopped, run.log(training)
    log = (run.folder / "results" / "logs" / "train" / f"fold-{training.fold}.log").read_text()
    assert f"resuming from epoch {stopped[1]}, step {int(stopped[2]) + 1}" in log
    jobs = {
        seen.job for sample in run.samples for seen in sample if (seen.stage, seen.fold) == ("train", training.fold)
    }
    assert len(jobs) == 2 and training.job in jobs


def test_a_drained_node_starts_nothing_and_loses_nothing(eventful):
    assert eventful["drained"] in ("draining", "drained")
    assert eventful["waiting"]
    assert eventful["status"] == 0


def test_weights_and_scores_are_those_of_a_local_run_bit_for_bit(eventful):
    folder, done = eventful["at home"]
    assert done.result().returncode == 0, done.result().stderr[-4000:]
    for name in (*(f"models/fold-{fold}.safetensors" for fold in range(FOLDS)), "submission.txt", "scores/scores.json"):
        here, there = (base / "results" / name for base in (folder, eventful["run"].folder))
        assert here.read_bytes() == there.read_bytes(), name


def test_nothing_is_left_to_do_and_the_folds_are_in_the_cache(eventful):
    run = eventful["run"]
    command = [sys.executable, "-m", "snakemake", "--snakefile", PROJECT_ROOT / "Snakefile", "--directory", run.folder]
    command += [*PROFILE, "--configfile", run.folder / "overlay.yaml", "-n"]
    again = subprocess.run(
        list(map(str, command)),
        cwd=PROJECT_ROOT,
        env=eventful["environment"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Nothing to be done" in again.stdout + again.stderr
    assert len(list(eventful["cache"].glob("*.safetensors"))) == 2 * FOLDS
