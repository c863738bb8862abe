"""Eaves: finds buildings in orthophotos and height models.

The library behind the workflow's scripts: pure functions on arrays, importable with no install.
"""

import os

# Coordinates are transformed by what is installed, whoever runs it where: no grid of shifts is fetched from the net.
# Here, for PROJ looks at it when it is loaded.
os.environ["PROJ_NETWORK"] = "OFF"
