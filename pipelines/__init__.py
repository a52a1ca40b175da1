"""The pipelines, their presets, and the command line that runs them."""
