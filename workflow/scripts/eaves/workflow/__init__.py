"""Support for Snakemake itself: code hashes, stale locks, messages and interrupts."""
