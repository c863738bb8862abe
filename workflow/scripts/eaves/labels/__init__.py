"""Rasters of instance ids: checked, read, cut into runs, and overlapped."""
