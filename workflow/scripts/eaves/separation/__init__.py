"""From a map of building probability to single buildings, and the search for the thresholds."""
