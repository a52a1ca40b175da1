"""The steps of the pipelines, and the ideas that they share."""
