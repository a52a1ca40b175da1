"""From the name of a node pool to what Kubernetes asks for: a node selector and tolerations."""

import json
from dataclasses import dataclass

from components.viewer import readme, table

POOL = "defectory.dev/pool"
"""Label and taint (NoSchedule) of the nodes of a pool; its value is the pool's name."""

SPOT = "defectory.dev/spot"
"""Label and taint (NoSchedule, value `true`) of nodes that may be taken away at any time."""

GPU = "nvidia.com/gpu"
"""Resource that NVIDIA's device plugin offers, and the taint that GPU nodes usually have."""


@dataclass(frozen=True)
class Placement:
    """Where a pod may run.

    Attributes:
        selector: Labels that a node must have.
        tolerations: Taints that a node may have, as Kubernetes writes them.
    """

    selector: dict[str, str]
    tolerations: list[dict[str, str]]

    def page(self) -> str:
        """The choice in Markdown, for the KFP UI."""
        values = {"node selector": self.selector, "tolerations": self.tolerations}
        shown = {name: f"`{json.dumps(value)}`" for name, value in values.items()}
        return table("Placement", shown, [], readme(__name__))


def place(pool: str, spot: bool) -> Placement:
    """Ask for the nodes of a pool.

    Args:
        pool: Value of the pool's label and taint.
        spot: Whether nodes that may be taken away at any time will do as well.
    """
    tolerations = [
        {"key": POOL, "operator": "Equal", "value": pool, "effect": "NoSchedule"},
        {"key": GPU, "operator": "Exists", "effect": "NoSchedule"},
    ]
    if spot:
        tolerations.append({"key": SPOT, "operator": "Exists", "effect": "NoSchedule"})
    return Placement({POOL: pool}, tolerations)
