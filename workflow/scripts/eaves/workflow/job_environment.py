"""What every job of a run finds in its environment, unless the user has set it to something else."""

JOB_ENVIRONMENT = {
    # Idle threads sleep instead of spinning: as fast on a quiet machine, and far faster where cores are shared.
    "OMP_WAIT_POLICY": "passive",
    # Memory that was freed is kept for the next step, instead of being given back to the system, which would have to
    # zero its pages again (benchmarks/allocation.py). The C library reads this when a process starts; bytes.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
