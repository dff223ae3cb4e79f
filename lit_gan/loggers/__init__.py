"""Where numbers and pictures of a run go beside its folder: CSV, TensorBoard, W&B."""
