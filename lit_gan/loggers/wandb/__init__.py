"""Weights & Biases: which run, what it is told, what it lacks."""
