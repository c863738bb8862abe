"""Kubernetes as far as it goes without a cluster: results in an object store, and the pods that would be asked for."""

import http.server
import json
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy import OVERLAY, PROJECT_ROOT, ToyRun, environment

pytestmark = pytest.mark.cluster
BUCKET, PREFIX = "eaves", "run"  # as in the profile


class Api(http.server.BaseHTTPRequestHandler):
    """Takes every job that is sent, and says that it failed: what was asked for is all that is wanted."""

    jobs: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/jobs"):
            self.jobs.append(body)
        self._say(body, 201)

    def do_GET(self) -> None:
        self._say({"items": []} if "/pods" in self.path else {"status": {"failed": 1}}, 200)

    def do_DELETE(self) -> None:
        self._say({}, 200)

    def _say(self, body: dict[str, Any], status: int) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


@dataclass
class Project:
    """A copy of the project beside an empty store."""

    folder: Path
    store: Any
    store_url: str

    def snakemake(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        """Runs the workflow by the profile; `--executor local` stands in for the pods."""
        keys = {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "some", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "key"}
        told = environment() | keys | {"AWS_EC2_METADATA_DISABLED": "true", **variables}
        # Pods share no folder: without one that is named, no folds are cached.
        told = {name: value for name, value in told.items() if name != "EAVES_FOLD_CACHE"}
        told["XDG_CACHE_HOME"] = str(self.folder.parent / "cache")
        command = [sys.executable, "-m", "snakemake", "--profile", "profiles/kubernetes", "--workflow-profile", "none"]
        command += ["--storage-s3-endpoint-url", self.store_url, "--configfile", "overlay.yaml", "--retries", "0"]
        return subprocess.run(
            [*command, *arguments], cwd=self.folder, env=told, capture_output=True, text=True, check=False
        )

    def stored(self, path: str) -> bytes:
        return self.store.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{path}")["Body"].read()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The workflow's own files, copied: Kubernetes' jobs get them from where Snakemake was started."""
    botocore = pytest.importorskip("botocore.session")
    moto = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    store = botocore.Session().create_client(
        "s3", "us-east-1", endpoint_url=url, aws_access_key_id="some", aws_secret_access_key="key"
    )
    store.create_bucket(Bucket=BUCKET)
    folder = tmp_path_factory.mktemp("kubernetes") / "eaves"
    for name in ("workflow", "profiles"):
        shutil.copytree(PROJECT_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(PROJECT_ROOT / name, folder / name)
    (folder / "overlay.yaml").write_text(yaml.safe_dump(OVERLAY))
    yield Project(folder, store, url)
    server.stop()


@pytest.fixture(scope="module")
def in_store(project: Project) -> Project:
    """Everything, made with the store in place of a shared folder."""
    done = project.snakemake("--executor", "local", "--cores", "2", "--max-threads", "1")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return project


def test_results_go_to_the_store_and_are_those_of_a_local_run(in_store: Project, toy_run: ToyRun):
    record = "records/predictions/predict/train-0of1-out-of-fold.json"
    for path in ("models/fold-1.safetensors", "scores/scores.json", "folds/folds.csv", record, "provenance.json"):
        assert in_store.stored(f"results/{path}") == (toy_run.results / path).read_bytes(), path
    assert not (in_store.folder.parent / "cache" / "eaves").exists()
    # Nothing but what is needed at a time was kept here.
    assert not list((in_store.folder / "results").rglob("*.tif"))


def test_tuned_thresholds_reach_the_jobs_that_use_them(in_store: Project):
    """They are an input like others: what is not in the store's copies, a job does not have."""
    (in_store.folder / "tuned.yaml").write_text("separate: {thresholds: searched}")
    tuned = ("--configfile", "overlay.yaml", "tuned.yaml", "--", "scores")
    done = in_store.snakemake("--executor", "local", "--cores", "2", "--max-threads", "1", *tuned)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    chosen = json.loads(in_store.stored("results/tuning/chosen.json"))
    used = json.loads(in_store.stored("results/scores/scores.json"))["separation"]
    assert used["tuned"]
    assert used.items() >= chosen["separation"].items()
    assert not (in_store.folder / "results" / "tuning").exists()


def test_pods_ask_for_cards_memory_and_the_checkpoints_volume(in_store: Project, tmp_path: Path):
    api = type("Recorder", (Api,), {"jobs": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "current-context": "here",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    told = {"KUBECONFIG": str(tmp_path / "kubeconfig"), "NO_PROXY": "127.0.0.1"}
    ended = in_store.snakemake("--forcerun", "warmup", "--", "warmups", **told)
    server.shutdown()
    server.server_close()
    assert len(api.jobs) == OVERLAY["split"]["folds"], ended.stdout[-3000:] + ended.stderr[-3000:]
    for job in api.jobs:
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        asked = container["resources"]
        # Kubernetes refuses a card whose request and limit differ.
        assert asked["requests"]["nvidia.com/gpu"] == asked["limits"]["nvidia.com/gpu"] == "1"
        assert asked["requests"]["memory"] == asked["limits"]["memory"] == "8000M"
        assert {"mountPath": "/workdir/results/checkpoints", "name": "eaves-checkpoints"} in container["volumeMounts"]
        assert container["image"] == "eaves"
        assert "warmup" in container["args"][1]
