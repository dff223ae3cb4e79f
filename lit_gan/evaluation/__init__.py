"""What is measured on samples: images and samples streamed, scores kept and compared, baselines."""
