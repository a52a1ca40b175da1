"""What a segmenter is worth on held-out photos."""
