"""Procedural pictures of industrial surfaces: what the project trains its own weights on."""
