"""Phase 2, learning the condition."""
