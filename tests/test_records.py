"""A job's record holds its code, settings, inputs and outputs, and nothing that differs between two equal runs."""

import argparse
import json
from pathlib import Path

import pytest
import torch
from toy import SCRIPTS, digest, run, write_texts

from eaves.compute import devices
from eaves.core import cli, environment, records
from eaves.core.code_hash import code_hash
from eaves.core.errors import InputError
from eaves.core.records import Done

RECORD = Path("results/records/scores/score.json")
SETTINGS = json.dumps({"score": {"rules": "final"}})


def write_record(record: Path = RECORD, root: str = "", **more) -> bytes:
    """Write the record of a small job, and return its bytes."""
    files = {name: Path(root) / name for name in ("data/a", "results/b", "results/c")}
    write_texts(**{str(path): name for name, path in files.items()})
    done = Done(inputs=[files["results/b"], files["data/a"], files["data/a"]], outputs=[files["results/c"]], **more)
    records.write(record, SCRIPTS / "score.py", "0123456789abcdef", SETTINGS, done)
    return record.read_bytes()


def test_a_record_is_read_as_it_was_written(work):
    write_record(device={"device": "cuda"}, models={Path("results/c"): Path("results/b")})
    assert records.read(RECORD) == {
        "script": "score.py",
        "code": "0123456789abcdef",
        "settings": {"score": {"rules": "final"}},
        "made_with": {"device": "cuda", "packages": environment.packages()},
        "inputs": {"data/a": digest("data/a"), "results/b": digest("results/b")},
        "outputs": {"results/c": digest("results/c")},
        "models": {"results/c": "results/b"},
    }


def test_what_made_a_model_replaces_what_this_process_has(work):
    write_record(device={"device": "cuda"}, made_with={"device": "cpu", "packages": {"torch": "1"}})
    assert records.read(RECORD)["made_with"] == {"device": "cpu", "packages": {"torch": "1"}}


def test_equal_jobs_write_equal_records_wherever_they_run(work):
    """Also where a job is given copies, as with an object store."""
    there = write_record()
    root = ".snakemake/storage/s3/eaves/run"
    assert write_record(root / RECORD, root) == there
    assert write_record(work / "elsewhere" / RECORD, str(work / "elsewhere")) == there
    assert str(work).encode() not in there


def test_without_a_code_hash_it_is_computed(work):
    records.write(RECORD, SCRIPTS / "catalogue.py", None, None, Done(inputs=[], outputs=[]))
    found = records.read(RECORD)
    assert (found["code"], found["settings"]) == (code_hash(SCRIPTS / "catalogue.py"), {})


def test_a_file_that_is_missing_is_named_and_no_record_is_written(work):
    with pytest.raises(InputError, match=r"^data/a: was removed while the job ran"):
        records.write(RECORD, SCRIPTS / "score.py", "", None, Done(inputs=[Path("data/a")], outputs=[]))
    assert not RECORD.exists()


def test_settings_that_are_no_json_are_refused(work):
    with pytest.raises(InputError, match=r"^--record: .* --settings is 'mine.yaml'"):
        records.write(RECORD, SCRIPTS / "score.py", "", "mine.yaml", Done(inputs=[], outputs=[]))


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}', f'{{"format": {records.FORMAT}, "script": "x"}}', None])
def test_a_damaged_record_is_named(work, text):
    if text is not None:
        write_texts(**{str(RECORD): text})
    with pytest.raises(InputError, match=f"^{RECORD}: cannot be read as a job's record"):
        records.read(RECORD)


def main_of_a_job(arguments: argparse.Namespace) -> Done:
    """Stand in for a script's main."""
    if arguments.fails:
        raise InputError("wrong")
    write_texts(**{"results/c": "c"})
    return Done(inputs=[], outputs=[Path("results/c")])


def test_a_script_writes_its_record_when_asked_to_and_none_when_it_fails(work):
    usual = {"log": None, "record": RECORD, "code": "0", "settings": SETTINGS, "fails": False}
    cli.run(main_of_a_job, argparse.Namespace(**usual | {"record": None}))
    assert not RECORD.exists()
    with pytest.raises(SystemExit):
        cli.run(main_of_a_job, argparse.Namespace(**usual | {"fails": True}))
    assert not RECORD.exists()
    cli.run(main_of_a_job, argparse.Namespace(**usual))
    found = records.read(RECORD)
    assert (found["script"], found["settings"]) == (Path(__file__).name, json.loads(SETTINGS))
    assert found["outputs"] == {"results/c": digest("c")}


def test_a_script_run_by_hand_writes_a_record_like_one_in_a_run(work):
    write_texts(**{"results/tiles/batches/test-0of1.csv": "tile,set,buildings\nA_1,test,3\n"})
    command = (SCRIPTS / "catalogue.py", "--output", "results/tiles/tiles.csv", "results/tiles/batches/test-0of1.csv")
    done = run(*command, "--record", RECORD, cwd=work)
    assert done.returncode == 0, done.stderr
    found = records.read(RECORD)
    assert (found["script"], found["code"]) == ("catalogue.py", code_hash(SCRIPTS / "catalogue.py"))
    assert found["inputs"].keys() == {"results/tiles/batches/test-0of1.csv"}
    assert found["outputs"].keys() == {"results/tiles/tiles.csv"}
    packages = found["made_with"]["packages"]
    assert packages.keys() >= {"python", "pandas"}
    assert "torch" not in packages


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
