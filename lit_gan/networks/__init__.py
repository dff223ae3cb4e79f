"""The players: plain modules, tensors in, tensors out."""
