"""Generate synthetic towns: an orthophoto, two height models and the true buildings, all determined by a seed.

The demo, the tests and the benchmarks run on these scenes, because the challenge's tiles may not be redistributed. The
package depends on numpy, SciPy and OpenCV only.

Example:
    >>> from towns import TOWNS, make_scene
    >>> scene = make_scene(seed=1, size=128, town="suburb")
    >>> scene.rgb.shape, scene.dsm.shape, sorted(TOWNS)
    ((128, 128, 3), (128, 128), ['commercial', 'oldtown', 'suburb'])
"""

from towns.presets import TOWNS, Town
from towns.scene import Scene, make_scene

__all__ = ["TOWNS", "Scene", "Town", "make_scene"]
