"""Tiles: finding and preparing them, cutting crops, and dividing them into folds and batches."""
