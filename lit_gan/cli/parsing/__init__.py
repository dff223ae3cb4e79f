"""What was typed, understood: options, files, classes by name, and how a fault in them is told."""
