"""GeoTIFFs and their grids."""
