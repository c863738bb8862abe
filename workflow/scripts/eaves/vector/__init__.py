"""Building outlines: polygons with attributes from label rasters, written in formats that GIS programs read."""
