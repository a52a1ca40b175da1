"""What a pipeline's package is made of: digests of the steps' code, and of all code and images."""

import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

from components.store import digest_code

_STEP = re.compile(r'\brun\(\s*"([\w.]+):')


def code_of(component: Any) -> str:
    """Digest of the code of the step that a KFP component calls.

    Args:
        component: A component that calls `components.task.run`.

    Raises:
        ValueError: If it calls no step.
    """
    found = _STEP.search(inspect.getsource(component.python_func))
    if found is None:
        raise ValueError(f"component {component.name} does not call components.task.run")
    return digest_code(found[1])


def package_of(codes: Mapping[Any, str]) -> str:
    """Digest of everything that a package brings to a run beside its configuration.

    Args:
        codes: Every component that calls a step, with the digest of its code.
    """
    parts = {
        component.name: {
            "code": code,
            "image": component.component_spec.implementation.container.image,
            "task": inspect.getsource(component.python_func),
        }
        for component, code in codes.items()
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
