"""Pictures of results: an overview of tiles, and the score as a function of the separation's thresholds."""
