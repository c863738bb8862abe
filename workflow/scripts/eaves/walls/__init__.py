"""Regularization of building outlines: straight walls and right angles, within a tolerance of the exact outline.

The package stands alone: apart from numpy and shapely it needs only `eaves.core.jit`, which compiles loops with numba.
"""
