"""Who started this process: ranks, Slurm, a sweep; and the processes that it starts."""
