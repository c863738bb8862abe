"""Tiles, from raw files to prepared rasters, and how they are divided into folds and batches."""
