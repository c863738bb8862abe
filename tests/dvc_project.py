"""A clone of the repository with a toy's data and settings, in which real git, DVC and Snakemake run."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from toy import CONFIG, OVERLAY, PROJECT_ROOT, environment, merged, write_tile

TRAIN, TEST = ("A_1", "A_2", "B_3"), ("C_1", "C_2", "D_4")
SETTINGS = merged(
    CONFIG,
    OVERLAY,
    {
        "scenes": None,
        "run": {"tiles_per_job": 2},
        "sample": {"crops_per_tile": 4},
        "outline": CONFIG["outline"],
        "threshold_search": {"low": [0.2], "high": [0.3, 0.4], "min_seed_px": [4], "min_area_px": [9]},
    },
)

# What no one commits: as in .gitignore.
LEFT_OUT = (".git", ".venv", ".snakemake", ".*_cache", "__pycache__", "data", "results", "cache", "tmp", "config.local")
TARGETS = {"total", "all", *yaml.safe_load((PROJECT_ROOT / "dvc.yaml").read_text())["stages"]}


class Project:
    """One checkout, with a cache of trained folds of its own."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self._environment = environment() | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "EAVES_FOLD_CACHE": str(cache),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-site"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_{what}": "somebody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }

    @classmethod
    def built(cls, folder: Path, cache: Path) -> "Project":
        """The working tree, which may be no git repository, with the toy's settings and data, committed."""
        shutil.copytree(PROJECT_ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
        project = cls(folder, cache)
        project.write_settings({})
        for seed, name in enumerate(TRAIN + TEST):
            write_tile(folder / "data" / ("train" if name in TRAIN else "test"), name, seed)
        project.run("git", "init", "--quiet", "--initial-branch=main")
        project.dvc("config", "core.autostage", "true")
        project.dvc("add", "data/train", "data/test")
        project.commit("The data")
        return project

    def cloned(self, folder: Path, cache: Path) -> "Project":
        """A git clone, as another person has it: without data and results."""
        subprocess.run(["git", "clone", "--quiet", self.folder, folder], check=True)
        return Project(folder, cache)

    def run(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0 or not check, said[-6000:]
        return said

    def dvc(self, *arguments: str, check: bool = True) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments, check=check)

    def snakemake(self, *arguments: str) -> str:
        return self.run("snakemake", "--cores", "all", *arguments)

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)

    def write_settings(self, changes: Mapping[str, Any]) -> None:
        (self.folder / "config.yaml").write_text(yaml.safe_dump(merged(SETTINGS, changes), sort_keys=False))

    def change(self, name: str, old: str, new: str) -> None:
        """Edits a file of the repository."""
        path = self.folder / name
        text = path.read_text()
        assert old in text, name
        path.write_text(text.replace(old, new))

    def killed(self, *command: str, when: str) -> None:
        """Runs a command, and kills it with all that it started as soon as its output has this."""
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            for line in process.stdout or ():
                if re.search(when, line):
                    break
            else:
                raise AssertionError(f"{command} ended without {when}")
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.5)


def jobs(said: str) -> dict[str, int]:
    """How many jobs of each rule ran, by Snakemake's tables; batches of a rule together, targets left out."""
    found: dict[str, int] = {}
    for table in said.split("Job stats:")[1:]:
        for name, count in re.findall(r"^(\w\S*) +(\d+) *$", table.split("\n\n")[0], re.MULTILINE):
            rule = re.split(r"_(?=train-|test-)", name)[0]
            found[rule] = found.get(rule, 0) + int(count)
    return {rule: count for rule, count in found.items() if rule not in TARGETS}
