"""Generated towns: an orthophoto, two height models and the true buildings, made from nothing but a seed.

They stand in for the challenge's tiles, which may not be passed on: demo, tests and benchmarks run on them.
"""

from towns.scene import Scene, make_scene
from towns.towns import TOWNS, Town

__all__ = ["TOWNS", "Scene", "Town", "make_scene"]
