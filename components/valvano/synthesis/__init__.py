"""The plan of the synthesis, its shards, and their merge."""
