"""The overview picture: a row of panels per tile, checked pixel by pixel on a tile of four pixels."""

import numpy as np

from eaves.plots.overview import GAP_PX, PANEL_PX, TITLE_PX, UNCERTAIN, draw
from eaves.tiles.prepared import NODATA

STEP_PX = PANEL_PX + GAP_PX
WIDTH_PX = 4 * STEP_PX - GAP_PX
IMAGE = np.array([[[10, 20, 30, 0], [200, 100, 50, 1500]], [[90, 90, 90, 9000], [NODATA] * 4]], np.int16)


def pixel(picture, row, panel, at):
    """The colour at the middle of a tile's pixel, in a panel of a row."""
    y, x = (position * PANEL_PX // 2 + PANEL_PX // 4 for position in at)
    return tuple(int(value) for value in picture[TITLE_PX + row * STEP_PX + y, panel * STEP_PX + x])


def test_a_row_of_four_panels_per_tile():
    truth = np.array([[1, -2], [0, 0]], np.int32)
    found = np.array([[1, 0], [0, 3]], np.int32)
    picture = draw([("A", IMAGE, truth, found), ("B", IMAGE, None, found)])
    assert picture.dtype == np.uint8
    assert picture.shape == (TITLE_PX + 2 * STEP_PX, WIDTH_PX, 3)
    assert pixel(picture, 0, 0, (0, 1)) == (200, 100, 50)
    assert pixel(picture, 0, 0, (1, 1)) == (0, 0, 0)
    low, tall, taller, unknown = (pixel(picture, 0, 1, at) for at in ((0, 0), (0, 1), (1, 0), (1, 1)))
    assert tall == taller != low  # heights above 15 m are drawn alike
    assert unknown == (225, 225, 225)
    assert pixel(picture, 0, 2, (0, 1)) == UNCERTAIN
    assert pixel(picture, 0, 2, (0, 0)) == pixel(picture, 0, 3, (0, 0))  # the same number, the same colour
    assert pixel(picture, 0, 3, (1, 1)) not in (pixel(picture, 0, 3, (0, 0)), pixel(picture, 0, 0, (1, 1)))
    faded = tuple(int(value * 0.45 + 255 * 0.35) for value in (90, 90, 90))
    assert pixel(picture, 0, 2, (1, 0)) == pixel(picture, 0, 3, (1, 0)) == faded
    assert pixel(picture, 1, 2, (1, 0)) == (235, 235, 235)  # no truth


def test_an_oblong_tile_keeps_its_shape():
    picture = draw([("A", np.full((4, 8, 4), 100, np.int16), None, np.zeros((4, 8), np.int32))])
    photo = picture[TITLE_PX : TITLE_PX + PANEL_PX, :PANEL_PX]
    assert (photo[PANEL_PX // 2 :] == 255).all()
    assert (photo[PANEL_PX // 4 : PANEL_PX // 2] == 100).all()
