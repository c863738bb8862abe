"""The challenge's tiles, downloaded from a local store: whole or not there, resumed, verified, and complete."""

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time
from hashlib import md5
from pathlib import Path

import pytest
from filelock import FileLock
from object_store import BUCKET, KEYS, PREFIX, BadLine
from toy import OVERLAY, SCRIPTS, environment, run_script, snakemake, write_tile

from eaves.tiles import discovery
from eaves.tiles.discovery import KINDS
from eaves.urban3d.object_store import CHUNK_BYTES

TILES = {"train": ["A_Tile_1", "JAX_Tile_004", "TAM_Tile_010"], "test": ["JAX_Tile_005", "TAM_Tile_011"]}
FOLDERS = {"train": "01-Provisional_Train", "test": "02-Provisional_Test", "sequestered": "03-Sequestered_Test"}
ONE_FILE = "train/Inputs/JAX_Tile_004_DSM.tif"


@pytest.fixture(scope="module")
def published(object_store, tmp_path_factory):
    """The challenge's folders on the store; in the last one a tile lacks two files."""
    folder = tmp_path_factory.mktemp("published")
    for number, (part, tile) in enumerate([*((p, t) for p in TILES for t in TILES[p]), ("sequestered", "JAX_9")]):
        made = write_tile(folder / "all", tile, seed=1 + number % 2)
        for kind, path in vars(made).items():
            below = folder / part / ("GT" if kind.startswith("gt") else "Inputs")
            below.mkdir(parents=True, exist_ok=True)
            path.rename(below / path.name)
    for kind in ("DTM", "RGB"):
        (folder / "sequestered" / "Inputs" / f"JAX_9_{kind}.tif").unlink()
    for part, there in FOLDERS.items():
        object_store.put_folder(folder / part, f"{PREFIX}/{there}")
        object_store.put(f"{PREFIX}/{there}/Inputs/", b"")
        object_store.put(f"{PREFIX}/{there}/Inputs/readme.txt", b"no tile")
        object_store.put(f"{PREFIX}/{there}/Inputs/JAX_Tile_004_RGB.tif.aux.xml", b"no tile")
    return folder


@pytest.fixture
def download(object_store, published, tmp_path):
    """The command, with what it needs to find the local store; later arguments win."""

    def command(*more, url=object_store.url, to=tmp_path / "data"):
        given = {"endpoint": url, "bucket": BUCKET, "prefix": PREFIX, "to": to, "retries": 0}
        return [SCRIPTS / "download.py", *(part for name in given for part in (f"--{name}", given[name])), *more]

    def start(*more, **options):
        return run_script(*command(*more, **options))

    start.command, start.to = command, tmp_path / "data"
    return start


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.tif")}


def published_for(published, *parts):
    return {path: held for path, held in content(published).items() if path.split("/")[0] in parts}


def sizes(folder):
    """Of what has arrived of files that are not whole; a file may become whole while one looks."""
    with contextlib.suppress(FileNotFoundError):
        return [path.stat().st_size for path in folder.rglob(".*.part")]
    return []


def faults(done):
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def test_tiles_arrive_as_tile_preparation_takes_them_and_once(download, published):
    done = download()
    assert done.returncode == 0, done.stderr
    assert "25 files verified, 25 of them downloaded" in done.stderr
    assert content(download.to) == published_for(published, "train", "test")
    there = {path.relative_to(download.to).as_posix() for path in download.to.rglob("*") if path.is_file()}
    assert there - {".download.lock"} == set(content(download.to))
    assert list(discovery.find_tiles(download.to / "train", truth_needed=True)) == TILES["train"]
    assert list(discovery.find_tiles(download.to / "test", truth_needed=False)) == TILES["test"]
    times = {path: path.stat().st_mtime_ns for path in download.to.rglob("*.tif")}
    again = download()
    assert "25 files verified, 0 of them downloaded" in again.stderr
    assert times == {path: path.stat().st_mtime_ns for path in download.to.rglob("*.tif")}


@pytest.mark.pipeline
def test_snakemake_plans_on_what_was_downloaded(download, tmp_path):
    assert download().returncode == 0
    overlay = {key: value for key, value in OVERLAY.items() if key != "scenes"}
    planned = snakemake(tmp_path, "-n", "tiles", overlay=overlay)
    assert planned.returncode == 0, planned.stderr
    assert "prepare_train-0of1" in planned.stdout + planned.stderr
    assert "prepare_test-0of1" in planned.stdout + planned.stderr


def test_a_killed_download_leaves_nothing_half_and_goes_on_where_it_was(object_store, download, published):
    with BadLine(object_store.url, pause_s=0.02, piece=2_000) as line:
        command = [sys.executable, *map(str, download.command("--parts", "train", "--jobs", "2", url=line.url))]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment()) as process:
            while not any(size >= CHUNK_BYTES for size in sizes(download.to)):
                assert process.poll() is None
                time.sleep(0.01)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    whole = published_for(published, "train")
    assert content(download.to).items() <= whole.items()
    parts = {path: path.stat().st_size for path in download.to.rglob(".*.part")}
    with BadLine(object_store.url) as line:
        assert download("--parts", "train", url=line.url).returncode == 0
    begun = {Path(path).name: start for path, start in line.asked}
    taken_up = {path.name[1:].split(".tif")[0] + ".tif": size for path, size in parts.items()}
    assert any(begun.get(name, 0) > 0 for name in taken_up)
    assert all(begun.get(name, size) == size for name, size in taken_up.items())  # else it had come to its end
    assert content(download.to) == whole
    assert not list(download.to.rglob(".*.part"))


def test_ctrl_c_ends_it_with_one_line_and_keeps_what_came(object_store, download):
    with BadLine(object_store.url, pause_s=0.02, piece=2_000) as line:
        command = [sys.executable, *map(str, download.command("--parts", "train", "--jobs", "2", url=line.url))]
        # What was started in a shell's background has inherited that Ctrl-C means nothing.
        heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(), **heeds) as process:
            while not any(size >= CHUNK_BYTES for size in sizes(download.to)):
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        assert process.returncode == 130
    assert said.splitlines()[1:] == ["stopped; run the same command again to resume"]
    assert any(sizes(download.to))


def test_a_connection_that_breaks_is_taken_up_where_it_broke(object_store, download, published):
    with BadLine(object_store.url, cuts=2) as line:
        only = ("--parts", "test", "--include", "JAX*", "--jobs", "5")
        done = download(*only, "--retries", "1", url=line.url)
        assert done.returncode == 0, done.stderr
    starts = {path.split("/")[-1]: [start for other, start in line.asked if other == path] for path, _ in line.asked}
    assert starts["JAX_Tile_005_DSM.tif"] == [0, 40_000, 80_000]
    whole = published_for(published, "test")
    assert content(download.to) == {path: held for path, held in whole.items() if "JAX" in path}


def test_a_connection_that_never_holds_is_given_up_with_what_to_do(object_store, download):
    with BadLine(object_store.url, cuts=9, piece=1_000) as line:
        only = ("--parts", "train", "--include", "JAX*", "--jobs", "1")
        (fault,) = faults(download(*only, url=line.url))
    assert "the connection broke repeatedly" in fault
    assert "run this again to resume" in fault
    assert not content(download.to)


@pytest.mark.parametrize("spoilt", ["one byte", "half", "longer"])
def test_a_file_that_is_not_the_stores_is_fetched_again(download, published, spoilt):
    assert download("--parts", "train").returncode == 0
    file = download.to / ONE_FILE
    held = file.read_bytes()
    other = {"one byte": bytes([held[0] ^ 1]) + held[1:], "half": held[: len(held) // 2], "longer": held + b"x"}
    file.write_bytes(other[spoilt])
    done = download("--parts", "train")
    assert done.returncode == 0, done.stderr
    assert f"{file}: differs from the store's" in done.stderr
    assert "1 of them downloaded" in done.stderr
    assert content(download.to) == published_for(published, "train")


@pytest.mark.parametrize("version", ["this", "other"])
def test_a_part_that_does_not_fit_is_thrown_away(download, published, version):
    assert download("--parts", "train").returncode == 0
    file = download.to / ONE_FILE
    file.unlink()
    etag = (
        md5((published / ONE_FILE).read_bytes(), usedforsecurity=False).hexdigest() if version == "this" else "0" * 32
    )
    part = file.with_name(f".{file.name}.{etag}.part")
    part.write_bytes(b"something else")
    assert download("--parts", "train").returncode == 0
    assert not part.exists()
    assert content(download.to) == published_for(published, "train")


def test_what_arrives_damaged_never_gets_its_name(object_store, download, published):
    """The store's own copy is rotten: not what its checksum says."""
    key = f"{PREFIX}/{FOLDERS['test']}/GT/JAX_Tile_005_GTI.tif"
    held = (published / "test/GT/JAX_Tile_005_GTI.tif").read_bytes()
    with BadLine(object_store.url) as line:
        line.rot = key
        (fault,) = faults(download("--parts", "test", url=line.url))
    assert "test/GT/JAX_Tile_005_GTI.tif: the downloaded file does not match the store's checksum" in fault
    whole = published_for(published, "test")
    assert whole.pop("test/GT/JAX_Tile_005_GTI.tif") == held
    assert content(download.to) == whole  # the others came all the same


def test_missing_files_are_named_one_by_one(download, published):
    for more in ((), ("--dry-run",)):
        done = download("--parts", "sequestered", *more)
        named = [line.split(": ")[1:3] for line in faults(done)]
        assert named == [["sequestered", f"tile JAX_9 has no JAX_9_{kind}.tif"] for kind in ("RGB", "DTM")]
    assert content(download.to) == published_for(published, "sequestered")


def test_training_tiles_need_their_truth(object_store, download):
    object_store.put(f"no-truth/{FOLDERS['train']}/Inputs/A_RGB.tif", b"")
    found = faults(download("--parts", "train", "--prefix", "no-truth", "--dry-run"))
    assert [line.split(": ")[2] for line in found] == [f"tile A has no A_{kind}.tif" for kind in KINDS[1:]]


def test_a_few_tiles_only(download):
    assert download("--parts", "train", "--limit", "1").returncode == 0
    assert list(discovery.find_tiles(download.to / "train", truth_needed=True)) == ["A_Tile_1"]
    assert download("--include", "JAX_*", "*_011").returncode == 0
    assert list(discovery.find_tiles(download.to / "train", truth_needed=True)) == ["A_Tile_1", "JAX_Tile_004"]
    assert list(discovery.find_tiles(download.to / "test", truth_needed=True)) == TILES["test"]


def test_a_dry_run_lists_files_and_sizes_and_writes_nothing(download, published):
    whole = published_for(published, "train", "test")
    done = download("--dry-run")
    assert done.returncode == 0, done.stderr
    assert not download.to.exists()
    *rows, summary = done.stdout.splitlines()
    listed = {row.split()[1]: int(row.split()[0].replace(",", "")) for row in rows}
    assert listed == {str(download.to / path): len(held) for path, held in whole.items()}
    total = sum(map(len, whole.values())) / 1e6
    assert summary == f"25 files, {total:.1f} MB; to download: 25 files, {total:.1f} MB"
    download("--parts", "test")
    train = sum(len(held) for path, held in whole.items() if path.startswith("train")) / 1e6
    assert download("--dry-run").stdout.endswith(f"to download: 15 files, {train:.1f} MB\n")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--endpoint", "http://127.0.0.1:9"), "cannot be reached .*; check the network, or use a mirror"),
        (("--endpoint", "no-url"), "Invalid endpoint: no-url; check --endpoint"),
        (("--bucket", "no-such-bucket"), "no such bucket; check --bucket"),
        (("--bucket", "N/B"), "Invalid bucket name .*; check --endpoint, --bucket"),
        (("--prefix", "elsewhere"), "s3://challenge/elsewhere/01-Provisional_Train/: no tiles there; check"),
        (("--profile", "nobody"), "--profile: .*nobody.* could not be found"),
        (("--include", "X_*", "Y"), r"--include: no tile matches X_\* or Y"),
        (("--prefix", "private"), "access denied to the unsigned request; a private bucket needs --profile"),
        (("--to", "/dev/null/data"), "/dev/null/data: not writable .*--to"),
    ],
)
def test_every_fault_is_one_line(object_store, download, more, said):
    object_store.put(f"private/{FOLDERS['train']}/Inputs/A_RGB.tif", b"secret", ACL="private")
    (fault,) = faults(download("--parts", "train", *more))
    assert re.search(said, fault)


def test_keys_are_used_where_there_are_some(object_store, download, monkeypatch):
    for kind in ("RGB", "DSM", "DTM"):
        object_store.put(f"mine/{FOLDERS['test']}/{kind}/A_{kind}.tif", kind.encode(), ACL="private")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    (fault, *_) = faults(download("--parts", "test", "--prefix", "mine", "--no-sign-request"))
    assert "access denied to the unsigned request" in fault
    assert download("--parts", "test", "--prefix", "mine").returncode == 0
    assert (download.to / "test" / "RGB" / "A_RGB.tif").read_bytes() == b"RGB"


def test_two_downloads_into_one_folder_are_refused(object_store, download):
    download.to.mkdir()
    with FileLock(download.to / ".download.lock"):
        (fault,) = faults(download())
    assert "another download is running" in fault


def test_a_linked_file_of_a_cache_is_verified_and_never_written_into(download, published):
    """As `dvc add` leaves it: read-only in a cache, a link in its place."""
    assert download("--parts", "train").returncode == 0
    file, cached = download.to / ONE_FILE, download.to.parent / "cached"
    shutil.move(file, cached)
    cached.chmod(0o444)
    file.symlink_to(cached)
    assert "0 of them downloaded" in download("--parts", "train").stderr
    assert file.is_symlink()
    cached.chmod(0o644)
    cached.write_bytes(b"another version")
    cached.chmod(0o444)
    assert "1 of them downloaded" in download("--parts", "train").stderr
    assert not file.is_symlink()
    assert cached.read_bytes() == b"another version"
    assert content(download.to) == published_for(published, "train")
