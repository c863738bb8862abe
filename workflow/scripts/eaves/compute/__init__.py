"""Devices: which are used, who else uses them, and several of them together."""
