"""Figures on found buildings beside the challenge's score, as the field defines them.

One rule for all of them says what does not count; it is that of COCO's crowds and of the panoptic quality's void:

- Pixels out of the map are cut out of both sides: a building is its visible part.
- The uncertain truth buildings of a tile, all together, are its region to ignore. Uncertain are those with negative ids
  and, as in the challenge, those that the end of the map cuts off to fewer than 100 px (`scoring.uncertain`). They need
  not be found. A prediction that matches no certain building at an IoU threshold counts as nothing if the share of its
  pixels in the region to ignore is at least this threshold (COCO's rule for `iscrowd`), or if none of it is visible.
- Measures of pixels leave the pixels of uncertain buildings out.

Unlike the challenge, a match needs an IoU of at least the threshold (as COCO has it), and a prediction of several
pieces is one building as any other.

`measure.measure_tile` measures a tile; `figures.figures` makes figures of one tile or of several, of all their
buildings together. What is kept of a tile is small: 40 bytes per predicted building, 16 per true one.
"""
