"""Phase 1, learning the concept."""
