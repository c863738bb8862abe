"""Rasters of instance ids: reading, run-length encoding, and overlaps."""
