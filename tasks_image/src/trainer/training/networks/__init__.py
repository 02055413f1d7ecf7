"""Training networks: the loop, its checkpoints and the job."""
