"""KFP component that turns the run's choice of nodes into what Kubernetes asks for."""

from typing import NamedTuple

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def placement(
    pool: str,
    node_pool: str,
    spot: bool,
    table: dsl.Output[dsl.Markdown],
) -> NamedTuple("Placement", [("selector", dict), ("tolerations", list)]):  # type: ignore[valid-type]
    """Say on which nodes the steps of a pool may run.

    Args:
        pool: The pool that the profile has for these steps.
        node_pool: The pool that the person who started the run chose; empty for `pool`.
        spot: Whether nodes that may be taken away at any time will do as well.
        table: What was chosen, for the UI.

    Returns:
        Node selector and tolerations of the pods.
    """
    from pathlib import Path

    from components.placement.place import place

    found = place(node_pool or pool, spot)
    Path(table.path).write_text(found.page(), encoding="utf-8")
    return (found.selector, found.tolerations)
