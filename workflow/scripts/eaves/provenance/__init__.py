"""The lineage of results: collected from the records of jobs, verified and shown."""
