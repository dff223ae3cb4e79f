"""The watch over the ranks of a job: one that is lost takes the others down, told by name."""
