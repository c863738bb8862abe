"""Find buildings in orthophotos and height models: the library behind the workflow's scripts.

It needs no installation: the scripts import it from the folder that they are in.
"""

import os
import signal

IN_RUN = "EAVES_RUN"
"""Set in the environment of a run's jobs, which share one terminal."""

# While a job is still importing packages, it has nothing to save: a Ctrl-C ends it at once, without a traceback.
if IN_RUN in os.environ:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# PROJ must not download datum shift grids: coordinates would then depend on the network. It reads this variable when it
# is loaded, so it has to be set here, before rasterio or pyproj is imported.
os.environ["PROJ_NETWORK"] = "OFF"
