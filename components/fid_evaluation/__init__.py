"""What a synthetic set is worth by itself."""
