"""Which tiles there are, and that a tile more or less leaves the others' batches alone."""

import itertools

from toy import write_tile

from eaves.models.folder import find_models
from eaves.tiles import discovery, generated
from eaves.tiles.batches import assign_batches

NAMES = [f"JAX_Tile_{number:03d}" for number in range(174)]


def test_the_challenges_layout_and_other_spellings_are_understood(tmp_path):
    b, a = write_tile(tmp_path, "B"), write_tile(tmp_path, "A_Tile_1")
    inputs, truth = tmp_path / "Inputs", tmp_path / "deep" / "GT"
    inputs.mkdir()
    truth.mkdir(parents=True)
    for path in (a.rgb, a.dsm, a.dtm):
        path.rename(inputs / path.name)
    for path in (a.gti, a.gtl):
        path.rename(truth / path.name)
    b.rgb.rename(tmp_path / "B_rgb.TIFF")
    for other in ("B_RGB.tif.aux.xml", "B_RGB.tfw", "readme.txt", "B_DSM.png"):
        (tmp_path / other).write_text("")
    found = discovery.find_tiles(tmp_path, truth_needed=True)
    assert list(found) == ["A_Tile_1", "B"]
    assert found["A_Tile_1"].present() == [
        *(inputs / f"A_Tile_1_{kind}.tif" for kind in ("RGB", "DSM", "DTM")),
        *(truth / f"A_Tile_1_{kind}.tif" for kind in ("GTI", "GTL")),
    ]
    assert found["B"].rgb == tmp_path / "B_rgb.TIFF"


def test_links_to_folders_are_followed_and_rings_of_them_end(tmp_path):
    write_tile(tmp_path / "archive", "A")
    train = tmp_path / "train"
    train.mkdir()
    (train / "Inputs").symlink_to(tmp_path / "archive")
    (train / "again").symlink_to(train)
    assert list(discovery.find_tiles(train, truth_needed=True)) == ["A"]


def test_test_tiles_need_no_truth_and_training_tiles_no_classes(tmp_path):
    files = write_tile(tmp_path, "A")
    files.gtl.unlink()
    assert discovery.find_tiles(tmp_path, truth_needed=True)["A"].gtl is None
    files.gti.unlink()
    assert discovery.find_tiles(tmp_path, truth_needed=False)["A"].gti is None


def test_every_tile_is_in_one_batch_whatever_their_order():
    for count, size in itertools.product((1, 7, 32, 33, 174), (1, 8, 32)):
        dealt = assign_batches(NAMES[:count], size)
        assert sorted(itertools.chain(*dealt.values())) == NAMES[:count]
        assert all(members == sorted(members) and members for members in dealt.values())
        assert dealt == assign_batches(NAMES[:count][::-1], size)
        batches = int(next(iter(dealt)).split("of")[1])
        assert batches * size >= count
        assert batches == 1 or batches * size < 2 * count  # half full at least, on average


def test_a_new_tile_disturbs_its_own_batch_alone_until_there_are_twice_as_many():
    size, doublings = 8, []
    for count in range(1, len(NAMES)):
        before, after = assign_batches(NAMES[:count], size), assign_batches(NAMES[: count + 1], size)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        if len(changed) > 1:
            doublings.append(count)
        else:
            assert NAMES[count] in after[changed.pop()]
    assert doublings == [8, 16, 32, 64, 128]


def test_planned_tiles_are_named_before_they_are_there(tmp_path):
    planned = generated.plan_tiles(tmp_path, "test", 5)
    assert list(planned) == sorted(planned)
    assert len(planned) == 5
    assert all(len(files.present()) == 5 for files in planned.values())
    assert all(files.rgb == tmp_path / f"{name}_RGB.tif" for name, files in planned.items())


def test_models_are_found_in_the_order_of_their_names(tmp_path):
    for name in ("fold-1.safetensors", "fold-0.safetensors", "fold-0.csv"):
        (tmp_path / name).write_text("")
    assert [path.name for path in find_models(tmp_path)] == ["fold-0.safetensors", "fold-1.safetensors"]
