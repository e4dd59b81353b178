"""What lives in the pipeline's process: runs, steps, verbs, sampling, snapshots. No I/O."""
