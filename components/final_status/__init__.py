"""The exit handler: how a run really ended."""
