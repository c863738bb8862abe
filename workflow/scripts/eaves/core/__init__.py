"""Foundations of all other packages: configuration, command line, atomic files, job records, code hashes, errors."""
