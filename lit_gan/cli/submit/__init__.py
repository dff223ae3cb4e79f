"""`submit`: a command, or a sweep, as a job on a cluster."""
