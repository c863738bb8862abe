"""What serves Snakemake itself: code hashes, its lock, its messages and signals."""
