"""Support for Snakemake itself: its messages and interrupts, stale locks, linked inputs, the environment of jobs."""
