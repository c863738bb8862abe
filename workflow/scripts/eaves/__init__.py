"""Eaves: finds buildings in orthophotos and height models.

The library behind the workflow's scripts: pure functions on arrays, importable with no install.
"""
