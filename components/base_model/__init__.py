"""The diffusion model that everything starts from."""
