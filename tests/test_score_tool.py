"""score.py by hand: folders or text files on either side, tiles matched by name, and one line for each fault."""

import json

import numpy as np
import pandas as pd
import pytest
from rasterio import Affine
from toy import CONFIG, GRID, HEIGHT_NODATA, SCRIPTS, read, run_script, scene, write_raster, write_tile

from eaves.core.errors import InputError
from eaves.metrics.challenge import overall, score_tile
from eaves.metrics.figures import figures, pool
from eaves.metrics.inputs import Pairs
from eaves.metrics.measure import measure_tile
from eaves.raster import geotiff, grids
from eaves.urban3d import text_format

SEEDS = {"JAX_Tile_004": 4, "TAM_Tile_003": 9}  # of scenes with uncertain buildings and holes in their heights
NAMES = tuple(SEEDS)


def found_on(truth, seed):
    """A solution: the truth moved by a pixel, a tenth of its buildings lost."""
    generator = np.random.default_rng(seed)
    labels = np.roll(np.abs(truth), 1, axis=1)
    lost = generator.permutation(np.unique(labels))[::10]
    return np.where(np.isin(labels, lost), 0, labels).astype(np.int32)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Truth as the challenge has it, in Inputs/ and GT/, and a solution with its probabilities."""
    folder = tmp_path_factory.mktemp("tiles")
    for name, seed in SEEDS.items():
        raw = write_tile(folder / "truth" / "Inputs", name, seed)
        (folder / "truth" / "GT").mkdir(exist_ok=True)
        for path in (raw.gti, raw.gtl):
            path.rename(folder / "truth" / "GT" / path.name)
        labels = found_on(scene(seed).truth, seed)
        write_raster(folder / "solution" / f"{name}.tif", labels)
        probability = np.random.default_rng(seed).random(labels.shape, np.float32)
        write_raster(folder / "probability" / f"{name}.tif", probability)
    return folder


def expected_of(tiles, rules="final"):
    """Score and figures of the same tiles, from the generated scenes."""
    scores, parts = [], []
    for name, seed in SEEDS.items():
        made = scene(seed)
        sides = made.truth, found_on(made.truth, seed), made.dsm == HEIGHT_NODATA
        scores.append(score_tile(*sides, large_uncertain=rules == "final"))
        parts.append(measure_tile(*sides, read(tiles / "probability" / f"{name}.tif"))[0])
        assert (made.truth < 0).any()
        assert sides[2].any()
    return scores, parts


def score(*arguments):
    done = run_script(SCRIPTS / "score.py", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_folders_with_the_challenges_names(tiles, tmp_path):
    options = ["--heights", tiles / "truth", "--confidence", tiles / "probability"]
    outputs = ["--json", tmp_path / "s.json", "--csv", tmp_path / "t.csv", "--buildings-csv", tmp_path / "b.csv"]
    outputs += ["--groups-csv", tmp_path / "g.csv"]
    said = score("--truth", tiles / "truth", "--solution", tiles / "solution", *options, *outputs)
    scores, parts = expected_of(tiles)
    found = json.loads((tmp_path / "s.json").read_text())
    assert found["rules"] == CONFIG["score"]
    assert found["all"]["f_score"] == pytest.approx(overall(scores), abs=1e-6)
    assert found["all"].items() >= figures(pool(parts)).items()
    towns = pd.read_csv(tmp_path / "g.csv")
    assert towns["group"].tolist()[1:] == ["JAX", "TAM"]
    assert towns["f_score"].tolist()[1:] == pytest.approx([score.f_score for score in scores], abs=1e-6)
    rows = pd.read_csv(tmp_path / "t.csv")
    assert rows["tile"].tolist() == list(NAMES)
    assert rows["tp"].tolist() == [score.tp for score in scores]
    assert rows["average_precision"].tolist() == pytest.approx([figures(part)["average_precision"] for part in parts])
    assert (pd.read_csv(tmp_path / "b.csv")["outcome"] == "tp").sum() == 2 * sum(score.tp for score in scores)
    assert f"f_score {overall(scores):.4f}" in said


def test_text_files_on_both_sides_score_as_the_folders(tiles, tmp_path):
    made = [scene(seed) for seed in SEEDS.values()]
    truths = [(name, one.truth, one.dsm == HEIGHT_NODATA) for name, one in zip(NAMES, made, strict=True)]
    text_format.write(tmp_path / "truth.txt", truths)
    solution = ((name, found_on(scene(seed).truth, seed)) for name, seed in reversed(SEEDS.items()))
    text_format.write(tmp_path / "solution.txt", solution)
    rules = ["--rules", "provisional", "--iou-threshold", "0.45"]
    given = ["--truth", tmp_path / "truth.txt", "--solution", tmp_path / "solution.txt", "--json", tmp_path / "s.json"]
    score(*given, *rules)
    scores, parts = expected_of(tiles, "provisional")
    found = json.loads((tmp_path / "s.json").read_text())
    assert found["rules"]["rules"] == "provisional"
    assert found["all"]["f_score"] == pytest.approx(overall(scores), abs=1e-6)
    assert found["all"]["panoptic_quality"] == figures(pool(parts))["panoptic_quality"]
    assert found["all"]["average_precision"] is None


def test_masks_and_prepared_names_and_a_solution_with_more_tiles(tiles, tmp_path):
    for name, seed in SEEDS.items():
        made = scene(seed)
        write_raster(tmp_path / "prepared" / f"{name}_truth.tif", made.truth)
        heights = np.zeros((4, *made.truth.shape), np.int16)
        heights[3] = np.where(made.dsm == HEIGHT_NODATA, -32768, 100)
        write_raster(tmp_path / "prepared" / f"{name}_image.tif", heights, nodata=-32768)
        write_raster(tmp_path / "hidden" / f"{name}.tif", (made.dsm == HEIGHT_NODATA).astype(np.uint8))
        write_raster(tmp_path / "solution" / f"{name}_GTI.tif", found_on(made.truth, seed).astype(np.uint16))
    write_raster(tmp_path / "solution" / "more_GTI.tif", np.zeros((4, 4), np.uint16))
    challenge = Pairs(tiles / "truth", tiles / "solution", heights=tiles / "truth")
    for options in ({"heights": tmp_path / "prepared"}, {"out_of_map": tmp_path / "hidden"}):
        pairs = Pairs(tmp_path / "prepared", tmp_path / "solution", **options)
        assert (pairs.names, pairs.without_truth) == (list(NAMES), ["more"])
        for name in NAMES:
            ours, theirs = pairs.read(name), challenge.read(name)
            for side in ("truth", "solution", "out_of_map"):
                np.testing.assert_array_equal(getattr(ours, side), getattr(theirs, side))
            assert ours.pixel_m == 0.5


def test_nodata_of_labels_is_ground_and_undeclared_heights_are_the_challenges(tmp_path):
    labels = np.array([[0, 1, 255]], np.uint8)
    write_raster(tmp_path / "truth" / "a.tif", labels, nodata=255)
    write_raster(tmp_path / "solution" / "a.tif", labels)
    write_raster(tmp_path / "heights" / "a_DSM.tif", np.array([[-32767, np.nan, 3]], np.float32))
    pair = Pairs(tmp_path / "truth", tmp_path / "solution", heights=tmp_path / "heights").read("a")
    assert (pair.truth.tolist(), pair.solution.tolist()) == ([[0, 1, 0]], [[0, 1, 255]])
    assert pair.out_of_map.tolist() == [[True, True, False]]


@pytest.mark.parametrize("side", ["truth", "solution"])
@pytest.mark.parametrize("dtype", ["uint32", "int64", "uint64"])
def test_ids_beyond_32_bits_are_refused_on_both_sides(tmp_path, side, dtype):
    for name in ("truth", "solution"):
        write_raster(tmp_path / name / "a.tif", np.ones((4, 4), np.uint8))
    write_raster(tmp_path / side / "a.tif", np.full((4, 4), 2**31 + 7, dtype))
    with pytest.raises(InputError, match=rf"{side}/a.tif: the id 2147483655 does not fit into 32 bits"):
        Pairs(tmp_path / "truth", tmp_path / "solution").read("a")


def test_ids_that_classes_would_wrap_around_are_refused(tmp_path):
    write_raster(tmp_path / "truth" / "a_GTI.tif", np.full((4, 4), -(2**33) - 1, np.int64))
    write_raster(tmp_path / "truth" / "a_GTL.tif", np.full((4, 4), 6, np.uint8))
    write_raster(tmp_path / "solution" / "a.tif", np.ones((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"a_GTI.tif: the id -8589934593 does not fit into 32 bits"):
        Pairs(tmp_path / "truth", tmp_path / "solution").read("a")


@pytest.mark.parametrize(
    "text",
    [
        "t1\n80,60\n0,9223372036854775807,0,9223372036854775807,0,4802\n",
        "t1\n100000,100000\n0,10000000000\n",
        "t1\n80,60\n-9223372036854775808,4800\n",
    ],
)
def test_a_text_file_that_claims_too_much_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "s.txt").write_text(text)
    done = run_script(SCRIPTS / "score.py", "--truth", tmp_path / "s.txt", "--solution", tmp_path / "s.txt")
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path / 's.txt'}: line ")


LABELS = np.ones((8, 10), np.int32)
SHIFTED = GRID["transform"] @ Affine.translation(0.3, 0)


@pytest.mark.parametrize(
    ("solution", "profile", "said"),
    [
        (LABELS[:, :9], {}, r"solution/a.tif: 9 x 8 px, not 10 x 8 px as \S+truth/a.tif; both must be on one grid"),
        (LABELS, {"crs": "EPSG:32618"}, r"a.tif: in EPSG:32618, not in EPSG:32617 as \S+truth/a.tif"),
        (
            LABELS,
            {"transform": SHIFTED},
            r"a.tif: pixels of 0.5 x 0.5 from \(440000.15, 3360000.00\) on, not pixels of 0.5",
        ),
        (
            LABELS.astype(np.float32),
            {},
            r"solution/a.tif: 1 band\(s\) of float32, but ids must be one band of integers",
        ),
        (np.stack([LABELS, LABELS]), {}, r"solution/a.tif: 2 band\(s\) of int32"),
        (-LABELS, {}, r"solution/a.tif: the id -1 is negative, but only truth may be uncertain"),
    ],
)
def test_a_solution_at_fault_is_named(tmp_path, solution, profile, said):
    write_raster(tmp_path / "truth" / "a.tif", LABELS)
    write_raster(tmp_path / "solution" / "a.tif", solution, **profile)
    with pytest.raises(InputError, match=said):
        Pairs(tmp_path / "truth", tmp_path / "solution").read("a")


def test_a_text_file_of_another_size_is_named(tmp_path):
    write_raster(tmp_path / "truth" / "a.tif", LABELS)
    text_format.write(tmp_path / "s.txt", {"a": LABELS[:4]})
    with pytest.raises(InputError, match=r"s.txt: tile a: 10 x 4 px, not 10 x 8 px as \S+a.tif"):
        Pairs(tmp_path / "truth", tmp_path / "s.txt").read("a")


@pytest.mark.parametrize("option", ["heights", "out_of_map", "confidence"])
def test_rasters_beside_on_another_grid_are_named(tmp_path, option):
    for name in ("truth", "solution"):
        write_raster(tmp_path / name / "a.tif", LABELS)
    write_raster(tmp_path / "beside" / "a.tif", np.ones((8, 9), np.float32))
    with pytest.raises(InputError, match=r"beside/a.tif: 9 x 8 px, not 10 x 8 px"):
        Pairs(tmp_path / "truth", tmp_path / "solution", **{option: tmp_path / "beside"}).read("a")


def test_a_building_without_a_probability_is_told(tmp_path):
    for name in ("truth", "solution"):
        write_raster(tmp_path / name / "a.tif", LABELS)
    probability = np.ones(LABELS.shape, np.float32)
    probability[0, :3] = np.nan
    write_raster(tmp_path / "probability" / "a.tif", probability)
    with pytest.raises(InputError, match=r"probability/a.tif: 3 pixels of buildings have no probability \(NaN\)"):
        Pairs(tmp_path / "truth", tmp_path / "solution", confidence=tmp_path / "probability").read("a")


def test_classes_of_another_size_are_told(tmp_path):
    write_raster(tmp_path / "truth" / "a_GTI.tif", LABELS)
    write_raster(tmp_path / "truth" / "a_GTL.tif", np.full((4, 4), 6, np.uint8))
    write_raster(tmp_path / "solution" / "a.tif", LABELS)
    with pytest.raises(InputError, match=r"a_GTL.tif: 4 x 4 px, not 10 x 8 px as \S+a_GTI.tif"):
        Pairs(tmp_path / "truth", tmp_path / "solution").read("a")


def test_missing_tiles_are_named_one_by_one(tiles, tmp_path):
    write_raster(tmp_path / "few" / "other.tif", LABELS)
    done = run_script(
        SCRIPTS / "score.py", "--truth", tiles / "truth", "--solution", tmp_path / "few", "--json", tmp_path / "s"
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path / 'few'}: tile {name} is missing; add it, or leave it out of the truth" for name in NAMES
    ]
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        (
            "--truth",
            "nowhere",
            r"nowhere: no such folder; --truth takes one with <tile>_GTI.tif, <tile>_truth.tif, <tile>.tif",
        ),
        ("--solution", "empty", r"empty: no tiles in this folder; --solution looks for <tile>_GTI.tif, <tile>.tif"),
        ("--heights", "empty", r"empty: no tiles in this folder; --heights looks for <tile>_DSM.tif"),
        ("--confidence", "empty", r"empty: no tiles in this folder; --confidence looks for <tile>.tif"),
        ("--solution", "text", r"text: line 1: expected the id of a tile, found '1,2'"),
    ],
)
def test_folders_and_files_at_fault_are_named(tiles, tmp_path, option, name, said):
    (tmp_path / "empty").mkdir()
    write_raster(tmp_path / "empty" / "a_RGB.tif", LABELS)  # no labels, by its name
    (tmp_path / "text").write_text("1,2\n")
    given = {"--truth": tiles / "truth", "--solution": tiles / "solution"} | {option: tmp_path / name}
    with pytest.raises(InputError, match=said):
        Pairs(**{key[2:]: path for key, path in given.items()})


def test_two_files_for_a_tile_are_told(tmp_path):
    write_raster(tmp_path / "a.tif", LABELS)
    write_raster(tmp_path / "deeper" / "a.TIF", LABELS)
    with pytest.raises(
        InputError, match=r"deeper/a.TIF: two files for tile a, the other is \S+/a.tif; remove or rename one"
    ):
        Pairs(tmp_path, tmp_path)


def test_a_table_without_truth_gives_tables_without_rows(tiles, tmp_path):
    (tmp_path / "tiles.csv").write_text("tile,set,truth_sha256\na,test,\n")
    names = ("json", "csv", "buildings-csv", "by-iou-csv", "by-size-csv", "curve-csv")
    outputs = [part for name in names for part in (f"--{name}", tmp_path / name)]
    score("--truth", tmp_path, "--solution", tmp_path, "--table", tmp_path / "tiles.csv", *outputs)
    found = json.loads((tmp_path / "json").read_text())
    assert found.keys() == {"rules", "separation"}
    assert found["rules"] == CONFIG["score"]
    for name in names[1:]:
        assert pd.read_csv(tmp_path / name).empty
        assert "tile" in pd.read_csv(tmp_path / name).columns


def test_a_table_says_which_tiles_are_scored_and_their_sets(tiles, tmp_path):
    rows = [f"{NAMES[0]},train,00", f"{NAMES[1]},test,00", "untrue,test,"]
    (tmp_path / "tiles.csv").write_text("\n".join(["tile,set,truth_sha256", *rows]))
    given = ["--truth", tiles / "truth", "--solution", tiles / "solution", "--table", tmp_path / "tiles.csv"]
    score(*given, "--csv", tmp_path / "t.csv")
    rows = pd.read_csv(tmp_path / "t.csv")
    assert list(zip(rows["set"], rows["tile"], strict=True)) == [("out_of_fold", NAMES[0]), ("test", NAMES[1])]


def test_help_shows_how_and_bad_options_are_refused(tmp_path):
    said = run_script(SCRIPTS / "score.py", "--help").stdout
    assert said.count("python workflow/scripts/score.py --truth") == 3
    for option in ("--out-of-map", "--heights", "--confidence", "--iou-threshold", "--rules", "--json", "--csv"):
        assert option in said
    both = run_script(SCRIPTS / "score.py", "--truth", "a", "--solution", "b", "--heights", "c", "--out-of-map", "d")
    assert "not allowed with argument" in both.stderr
    high = run_script(SCRIPTS / "score.py", "--truth", "a", "--solution", "b", "--iou-threshold", "45")
    assert "45 is not from 0 to 1" in high.stderr


@pytest.mark.parametrize(
    ("crs", "transform", "edge_m"),
    [
        ("EPSG:32617", Affine(0.5, 0, 440_000, 0, -0.5, 3_360_000), 0.5),
        ("EPSG:2225", Affine(1, 0, 6_000_000, 0, -1, 2_000_000), 0.3048006),  # US survey feet
        ("EPSG:32617", Affine(0.3, 0.4, 0, 0.4, -0.3, 0), 0.5),  # turned
        # One second of arc at 60° north: 30.92 m by half of that, but for the flattening.
        ("EPSG:4326", Affine(1 / 3600, 0, 10, 0, -1 / 3600, 60.001), (30.949 * 15.500) ** 0.5),
    ],
)
def test_edges_of_pixels_in_metres(tmp_path, crs, transform, edge_m):
    path = write_raster(tmp_path / "a.tif", LABELS, crs=crs, transform=transform)
    assert grids.pixel_edge_m(geotiff.grid(path)) == pytest.approx(edge_m, rel=1e-3)


def test_edges_of_pixels_are_not_known_without_a_crs(tmp_path):
    write_raster(tmp_path / "a.tif", LABELS, crs=None)
    assert grids.pixel_edge_m(geotiff.grid(tmp_path / "a.tif")) is None
