"""The gate: what a run is about, and whether it would only repeat the last one."""
