"""The torchmetrics shells of the functional core."""
