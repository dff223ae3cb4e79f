"""Describes a job for a cluster, or for this machine: a script for Slurm from a template, and ranks under torchrun."""
