"""From a pool's name to what Kubernetes asks for."""

from pathlib import Path
from types import SimpleNamespace

from components.placement.component import placement
from components.placement.place import place


def tolerates(tolerations: list[dict[str, str]], key: str, value: str) -> bool:
    """As the scheduler decides about a taint with the effect NoSchedule."""
    return any(
        one["key"] == key
        and one["effect"] == "NoSchedule"
        and (one["operator"] == "Exists" or one.get("value") == value)
        for one in tolerations
    )


def test_a_pool_is_its_label_and_its_taint() -> None:
    found = place("training", spot=False)

    assert found.selector == {"defectory.dev/pool": "training"}
    assert tolerates(found.tolerations, "defectory.dev/pool", "training")
    assert tolerates(found.tolerations, "nvidia.com/gpu", "present")
    assert not tolerates(found.tolerations, "defectory.dev/pool", "synthesis")


def test_spot_nodes_will_do_only_where_they_may() -> None:
    assert tolerates(place("synthesis", spot=True).tolerations, "defectory.dev/spot", "true")
    assert not tolerates(place("synthesis", spot=False).tolerations, "defectory.dev/spot", "true")


def test_the_run_s_choice_of_pool_comes_before_the_profile_s(tmp_path: Path) -> None:
    page = tmp_path / "table"
    table = SimpleNamespace(path=str(page))
    own, _ = placement.python_func(pool="training", node_pool="", spot=False, table=table)
    mine, _ = placement.python_func(pool="training", node_pool="a100", spot=False, table=table)

    assert '{"defectory.dev/pool": "a100"}' in page.read_text()
    assert "# placement" in page.read_text(), "its README"
    assert mine == {"defectory.dev/pool": "a100"}
    assert own == {"defectory.dev/pool": "training"}
