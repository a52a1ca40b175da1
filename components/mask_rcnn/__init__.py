"""The segmenter, trained in every regime."""
