"""The challenge's text format: exact bytes, a round trip for any labels, and clear words about faulty files."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from eaves.core.errors import InputError
from eaves.urban3d.text_format import places, read, read_tile, read_tiles, write


def test_text_by_hand(tmp_path):
    write(tmp_path / "s.txt", {"B": np.array([[0, 0, 7], [7, 0, -2]]), "A": np.zeros((1, 4), np.uint16)})
    # The 7s at the end of the first row and the start of the second are one run.
    assert (tmp_path / "s.txt").read_bytes() == b"B\n3,2\n0,2,7,2,0,1,-2,1\nA\n4,1\n0,4\n"


@given(
    tiles=st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_]{1,12}", fullmatch=True),
        arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(-3, 3)),
        max_size=3,
    )
)
@settings(max_examples=50, deadline=None)
def test_round_trip(tmp_path_factory, tiles):
    path = tmp_path_factory.mktemp("submission") / "s.txt"
    write(path, tiles)
    back = read(path)
    assert list(back) == list(tiles)
    for tile, labels in tiles.items():
        assert back[tile].dtype == np.int32
        np.testing.assert_array_equal(back[tile], labels)


def test_pairs_from_a_generator_and_reading_one_by_one(tmp_path):
    write(tmp_path / "s.txt", ((f"tile_{i}", np.full((2, 3), i)) for i in range(4)))
    assert [(tile, labels.max()) for tile, labels in read_tiles(tmp_path / "s.txt")] == [
        (f"tile_{i}", i) for i in range(4)
    ]


def test_labels_not_contiguous_in_memory(tmp_path):
    labels = np.arange(12).reshape(3, 4).T
    write(tmp_path / "s.txt", {"t": labels})
    np.testing.assert_array_equal(read(tmp_path / "s.txt")["t"], labels)


@pytest.mark.parametrize(
    ("tiles", "message"),
    [
        ([("a", np.ones((2, 2), int)), ("a", np.ones((2, 2), int))], "tile a occurs twice"),
        ([("a", np.ones((2, 2)))], "tile a: labels are .*float64"),
        ([("a", np.ones(4, int))], r"labels are \(4,\)"),
        ([("a", np.ones((0, 4), int))], r"labels are \(0, 4\)"),
        ([("a,b", np.ones((2, 2), int))], "'a,b'"),
        ([("", np.ones((2, 2), int))], "must not be empty"),
        ([("a", np.full((2, 2), 2**31, np.uint32))], "tile a: the id 2147483648 does not fit into 32 bits"),
        ([("a", np.full((2, 2), 2**64 - 1, np.uint64))], "tile a: the id 18446744073709551615 does not fit"),
    ],
)
def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path, tiles, message):
    path = tmp_path / "s.txt"
    path.write_text("old")
    with pytest.raises(InputError, match=message):
        write(path, tiles)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2,2\n0,4\n", r"line 1: expected the id of a tile, found '2,2'"),
        ("a\n", r"line 2: tile a: expected `width,height`"),
        ("a\n2\n0,4\n", r"line 2: tile a: expected `width,height` in pixels, found '2'"),
        ("a\n2,0\n0,4\n", r"line 2: tile a: expected `width,height`"),
        ("a\n2,2\n", r"line 3: tile a: expected `label,run,...`, but the file ends"),
        ("a\n2,2\n0,x\n", r"line 3: tile a: expected comma-separated integers, found '0,x'"),
        ("a\n2,2\n0,3,1\n", r"line 3: tile a: expected pairs .* found 3 numbers"),
        ("a\n2,2\n0,3\n", r"line 3: tile a: the runs cover 3 pixels, but 2 x 2 are 4"),
        ("a\n2,2\n0,5,1,-1\n", r"line 3: tile a: a run is not positive"),
        ("a\n2,2\n9999999999,4\n", r"line 3: .* does not fit into 32 bits"),
        ("a\n2,2\n-2147483648,4\n", r"line 3: .* does not fit into 32 bits"),
        ("a\n2,2\n-9223372036854775808,4\n", r"line 3: .* does not fit into 32 bits"),
        ("a\n2,2\n9223372036854775808,4\n", r"line 3: .* does not fit into 64 bits"),
        ("a\n2,2\n0,9223372036854775807,0,9223372036854775807,0,6\n", r"line 3: .*: a run of 9223372036854775807 "),
        ("a\n32768,32769\n0,1\n", r"line 2: .*: 32768 x 32769 are 1073774592 pixels, .* at most 1073741824"),
        ("a\n9223372036854775807,4\n0,4\n", r"line 2: .* a tile has at most 1073741824 "),
        ("{}{tile}\n2,2\n0,3\n", r"line 3: tile {}{tile}: the runs cover 3 pixels"),
        ("a\n2,2\n0,4\na\n2,2\n0,4\n", r"line 4: tile a occurs twice"),
        ("a\n2,2\n0,4\n0,1\nb\n2,2\n0,4\n", r"line 4: expected the id of a tile, found '0,1'"),
    ],
)
def test_faulty_files_are_refused_with_their_line(tmp_path, text, message):
    path = tmp_path / "faulty.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=f"faulty.txt: {message}"):
        read(path)


def numbers(*special):
    return st.one_of(st.integers(-3, 12), st.integers(-(2**66), 2**66), st.sampled_from(special))


@given(
    size=st.lists(numbers(2, 2**31, 2**32, 2**63 - 1), min_size=1, max_size=3),
    pairs=st.lists(st.tuples(numbers(2**31 - 1, -(2**63)), numbers(2**62, 2**63 - 1, 2**64)), max_size=6),
    mask=st.none() | st.lists(numbers(2**63 - 1), max_size=4),
)
@example([2, 2], [(0, 2**63 - 1), (0, 2**63 - 1), (0, 6)], None)
@example([2, 2], [(-(2**63), 4)], None)
@example([2**32, 2**32], [(1, 1)], None)
@settings(max_examples=300, deadline=None)
def test_any_numbers_are_read_as_they_are_or_refused_in_one_line(tmp_path_factory, size, pairs, mask):
    """What is read covers the tile pixel by pixel, and nothing wraps around."""
    path = tmp_path_factory.mktemp("numbers") / "s.txt"
    lines = ["a", ",".join(map(str, size)), ",".join(str(number) for pair in pairs for number in pair)]
    if mask is not None:
        lines.insert(2, "OOM-MASK:" + ",".join(map(str, mask)))
    path.write_text("\n".join(lines) + "\n")
    try:
        labels, _ = read_tile(path, places(path)["a"])
    except InputError as fault:
        assert str(fault).startswith(f"{path}: line ")
        assert "\n" not in str(fault)
    else:
        assert labels.shape == tuple(size[::-1])
        assert labels.ravel().tolist() == [label for label, run in pairs for _ in range(run)]


@given(st.text(alphabet="a0123456789,-:\n\r OM{}", max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused_in_one_line(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("text") / "s.txt"
    path.write_text(text)
    try:
        for place in places(path).values():
            read_tile(path, place)
    except InputError as fault:
        assert str(fault).startswith(f"{path}: ")
        assert "\n" not in str(fault)


def test_blank_lines_and_windows_line_ends_do_no_harm(tmp_path):
    (tmp_path / "s.txt").write_bytes(b"a\r\n2,1\r\n0,1,3,1\r\n\r\n")
    np.testing.assert_array_equal(read(tmp_path / "s.txt")["a"], [[0, 3]])


TRUTH_BYTES = b"TAM_1\n4,2\nOOM-MASK:0,3,1,2,0,3\n-7,2,0,4,5,2\n"
TRUTH_LABELS = np.array([[-7, -7, 0, 0], [0, 0, 5, 5]])
TRUTH_HIDDEN = np.array([[0, 0, 0, 1], [1, 0, 0, 0]], bool)


def test_truth_file_by_hand(tmp_path):
    """Uncertain buildings are negative, and a line in front of the labels says what is out of the map."""
    visible = np.zeros((2, 4), bool)
    write(tmp_path / "t.txt", [("TAM_1", TRUTH_LABELS, TRUTH_HIDDEN), ("TAM_2", abs(TRUTH_LABELS), visible)])
    assert (tmp_path / "t.txt").read_bytes() == TRUTH_BYTES + b"TAM_2\n4,2\n7,2,0,4,5,2\n"
    found = places(tmp_path / "t.txt")
    assert {tile: place.line for tile, place in found.items()} == {"TAM_1": 1, "TAM_2": 5}
    labels, hidden = read_tile(tmp_path / "t.txt", found["TAM_1"])
    np.testing.assert_array_equal(labels, TRUTH_LABELS)
    np.testing.assert_array_equal(hidden, TRUTH_HIDDEN)
    assert read_tile(tmp_path / "t.txt", found["TAM_2"])[1] is None
    assert list(read(tmp_path / "t.txt")) == ["TAM_1", "TAM_2"]


@given(
    labels=arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(-2, 2)),
    seed=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_round_trip_of_truth_in_any_order(tmp_path_factory, labels, seed):
    path = tmp_path_factory.mktemp("truth") / "t.txt"
    masks = [np.random.default_rng(seed + at).random(labels.shape) < 0.5 for at in range(3)]
    write(path, ((f"tile_{at}", labels + at, mask) for at, mask in enumerate(masks)))
    found = places(path)
    for at in (2, 0, 1):
        read_labels, hidden = read_tile(path, found[f"tile_{at}"])
        np.testing.assert_array_equal(read_labels, labels + at)
        np.testing.assert_array_equal(np.zeros(labels.shape, bool) if hidden is None else hidden, masks[at])
    first = path.read_bytes()
    write(path, ((tile, *read_tile(path, place)) for tile, place in found.items()))
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n2,2\nOOM-MASK:0,4\n", r"line 4: tile a: expected `label,run,...`, but the file ends"),
        ("a\n2,2\nOOM-MASK:0,3\n0,4\n", r"line 3: tile a: the runs cover 3 pixels"),
        ("a\n2,2\nOOM-MASK:0,2,2,2\n0,4\n", r"line 3: tile a: OOM-MASK: allows only 0 and 1"),
        ("a\n2,2\nOOM-MASK:\n0,4\n", r"line 3: tile a: expected `label,run,...`"),
        ("\n", "no tiles; expected three lines per tile"),
    ],
)
def test_faulty_truth_files_are_refused_with_their_line(tmp_path, text, message):
    path = tmp_path / "faulty.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=f"faulty.txt: {message}"):
        for place in places(path).values():
            read_tile(path, place)


def test_a_missing_file_and_a_mask_of_another_size_are_named(tmp_path):
    with pytest.raises(InputError, match=r"none.txt: no such file"):
        places(tmp_path / "none.txt")
    with pytest.raises(InputError, match=r"tile a: out_of_map is \(1, 2\), but the labels are \(2, 2\)"):
        write(tmp_path / "t.txt", [("a", np.ones((2, 2), int), np.ones((1, 2), bool))])
