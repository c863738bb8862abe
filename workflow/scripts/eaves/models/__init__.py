"""The network, its weights, what it is given, and how it is applied to a tile."""
