"""Quality measures of predicted buildings: the challenge's score, and the standard measures of instance segmentation.

`challenge` follows the challenge's own rules. All other measures ignore the same things, following COCO's rule for
crowds and the void label of panoptic quality:

- Pixels out of the map are removed from both sides: a building is its visible part.
- The uncertain truth buildings of a tile together form its ignored region. Uncertain are those with negative ids and,
  as in the challenge, those that the edge of the map cuts off to fewer than 100 px (`challenge.find_uncertain`). They
  need not be found. A prediction that matches no certain building at an IoU threshold is ignored if the share of its
  pixels in the ignored region is at least this threshold (COCO's rule for `iscrowd`), or if none of it is visible.
- Pixel measures exclude the pixels of uncertain buildings.

Unlike in the challenge, a match needs an IoU of at least the threshold, as in COCO, and a prediction of several pieces
counts as one building like any other.

`measure.measure_tile` measures a tile; `figures.figures` computes the figures of one tile, or of all buildings of
several tiles. Little is stored per tile: 40 bytes per predicted building, 16 per true one.
"""
