"""Outlines with straight walls and right angles, within a tolerance of the pixels' outline."""
