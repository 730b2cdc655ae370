"""The programs that run inside a job on the cluster."""
