"""The topological driver."""
