"""Registers the device of apart.cpp with torch; torch loads this as the plugin of a device.

Environment variables:

    APART          the compiled library
    APART_BYTES    memory of the device; as much as the machine has without it
"""

import ctypes
import os
import types

import torch

NAME = "apart"


def register() -> None:
    """Make the device the accelerator that torch finds."""
    library = os.environ["APART"]
    torch.ops.load_library(library)
    compiled = ctypes.CDLL(library)
    compiled.most_memory.restype = ctypes.c_size_t
    module = types.ModuleType(f"torch.{NAME}")
    module.__dict__.update(
        is_available=lambda: True,
        is_initialized=lambda: True,
        device_count=lambda: 1,
        current_device=lambda: 0,
        _is_in_bad_fork=lambda: False,
        manual_seed_all=lambda seed: None,
        get_amp_supported_dtype=lambda: [torch.bfloat16],
        max_memory_allocated=lambda: compiled.most_memory(),
    )
    torch.utils.rename_privateuse1_backend(NAME)
    torch._register_device_module(NAME, module)
    torch.utils.generate_methods_for_privateuse1_backend()
