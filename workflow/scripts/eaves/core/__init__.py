"""Foundations of all other packages: configuration, command line, atomic files, errors, compiled loops."""
