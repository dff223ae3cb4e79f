"""Callbacks that watch a GAN and act on it."""
