"""Eaves: finds buildings in orthophotos and height models.

The library behind the workflow's scripts: pure functions on arrays, importable with no install.
"""

import os
import signal

IN_RUN = "EAVES_RUN"
"""Set in the environment of a run's jobs, which share one terminal."""

# While a job's packages are still coming in there is nothing to save or to tell: a Ctrl-C ends it without a traceback.
if IN_RUN in os.environ:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# Coordinates are transformed by what is installed, whoever runs it where: no grid of shifts is fetched from the net.
# Here, for PROJ looks at it when it is loaded.
os.environ["PROJ_NETWORK"] = "OFF"
