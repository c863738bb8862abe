"""Ctrl-C on a terminal, which reaches every process of a run: one ends it in good order, a second one at once."""

import contextlib
import os
import pty
import re
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from toy import OVERLAY, PROJECT_ROOT, environment, merged, snakemake

pytestmark = pytest.mark.pipeline

CTRL_C = b"\x03"
# Long enough to be stopped in, and a checkpoint by the clock never falls due.
LONG = merged(
    OVERLAY,
    {
        "model": {"encoder": "resnet18"},
        "sample": {"crops_per_tile": 16},
        "train": {"epochs": 3},
        "run": {"checkpoint_minutes": 60},
    },
)


class Terminal:
    """A run of the workflow on a terminal of its own."""

    def __init__(self, folder: Path, *targets: str) -> None:
        folder.mkdir(exist_ok=True)
        overlay = folder / "overlay.yaml"
        overlay.write_text(yaml.safe_dump(LONG))
        command = [sys.executable, "-m", "snakemake", "--snakefile", PROJECT_ROOT / "Snakefile", "--directory", folder]
        command += ["--cores", "2", "--max-threads", "1", "--configfile", overlay, "--", *targets]
        self.said = ""
        self.process, self._terminal = pty.fork()
        if not self.process:
            os.chdir(PROJECT_ROOT)
            os.execve(sys.executable, list(map(str, command)), environment(folder / "cache"))

    def read(self, until: str | None = None, seconds: float = 300) -> str:
        """Reads on, until something has been said, or to the end."""
        end = time.monotonic() + seconds
        while until is None or not re.search(until, self.said):
            assert time.monotonic() < end, self.said[-3000:]
            if select.select([self._terminal], [], [], 0.2)[0]:
                try:
                    part = os.read(self._terminal, 1 << 16)
                except OSError:  # Linux says so at the end
                    part = b""
                if not part:
                    assert until is None, self.said[-3000:]
                    break
                self.said += part.decode(errors="replace").replace("\r\n", "\n")
        return self.said

    def press(self) -> None:
        os.write(self._terminal, CTRL_C)

    def status(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


@contextlib.contextmanager
def terminal(folder: Path, *targets: str) -> Iterator[Terminal]:
    started = Terminal(folder, *targets)
    try:
        yield started
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            main = psutil.Process(started.process)
            for process in (*main.children(recursive=True), main):
                process.kill()


def plain(said: str) -> list[str]:
    return [line for line in re.sub(r"\x1b\[\d*m", "", said).splitlines() if line.strip()]


@pytest.mark.slow
def test_one_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    folder = tmp_path / "stopped"
    with terminal(folder, "models") as run:
        run.read(until=r"train fold-\d: epoch 1/5")
        at = len(run.said)
        run.press()
        said = plain(run.read()[at:])
        assert run.status() == 130
    assert not [line for line in said if re.search('Traceback|Error|error|File "', line)], said
    start = next(number for number, line in enumerate(said) if "stopping: jobs end" in line)
    after = [line for line in said[start + 1 :] if ": epoch " not in line]
    stopped = [
        line for line in after if re.fullmatch(r"(warmup|train) fold-\d: (SIGINT: stopped in epoch .*|stopped)", line)
    ]
    assert 1 <= len(stopped) <= 2
    assert any("SIGINT: stopped in epoch" in line for line in stopped)
    assert after[-1] == "stopped: run the same command to resume"
    finished = re.compile(r"\[.*\]|Finished jobid.*|\d+ of \d+ steps.*|Select jobs.*|(warmup|train) fold-\d: .*")
    assert not [line for line in after[:-1] if line not in stopped and not finished.fullmatch(line)], after

    done = snakemake(folder, "models", overlay=LONG, cache=folder / "cache")
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"resuming from epoch \d, step \d", done.stderr)
    whole = snakemake(tmp_path / "whole", "models", overlay=LONG, cache=tmp_path / "none")
    assert whole.returncode == 0
    for fold in (0, 1):
        name = f"results/models/fold-{fold}.safetensors"
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
def test_a_second_ctrl_c_ends_everything_at_once(tmp_path):
    with terminal(tmp_path, "models") as run:
        run.read(until=r"(train|warmup) fold-\d: epoch 1/")
        processes = psutil.Process(run.process).children(recursive=True)
        run.press()
        run.read(until="stopping: jobs end")
        began = time.monotonic()
        run.press()
        run.read()
        assert run.status() == 130
        assert time.monotonic() - began < 5
        psutil.wait_procs(processes, timeout=5)
        assert not [process for process in processes if process.is_running() and process.status() != "zombie"]


def test_ctrl_c_while_the_jobs_are_planned(tmp_path):
    with terminal(tmp_path, "models") as run:
        run.read(until="Building DAG")
        run.press()
        said = plain(run.read())
        assert run.status() == 130
    # Where planning was over before the key was pressed, the first jobs were stopped.
    assert said[-1].endswith(("stopped", "stopped: run the same command to resume"))
    assert "Traceback" not in run.said
