"""Where the pods of a pool may run."""
