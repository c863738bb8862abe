"""From rasters of buildings to polygons with attributes, in the formats of GIS programs."""
