"""Separation of a building probability map into single buildings, and the search for its thresholds."""
