"""How many tasks Argo has room for, against what a run of the compiled packages takes of it."""

import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from compiled import PROJECT, Package
from workflow import LIMIT, workflow_size

from components.mask_rcnn.settings import REGIMES
from pipelines.overrides import override
from pipelines.presets import preset
from pipelines.profiles import PROFILES
from pipelines.size import MAX_WORKFLOW_SIZE, RAISED, STOCK, Size, size

ROOM = {STOCK: LIMIT, RAISED: MAX_WORKFLOW_SIZE}
"""Bytes of the object for the numbers of tasks that are said to fit into it."""

USABLE = 0.9
"""A tenth is left for what the model leaves out: tries, messages and Kubernetes' own fields."""

FITTING = {
    STOCK: [Size(5, 6, 3), Size(3, 16, 3), Size(2, 16, 15), Size(1, 62, 9)],
    RAISED: [Size(5, 8, 9), Size(6, 7, 6), Size(3, 18, 15), Size(1, 80, 30)],
}
BEYOND = {STOCK: Size(5, 8, 3), RAISED: Size(5, 10, 9)}


def _times(one: Size) -> dict[str, int]:
    return {"fractions": one.fractions, "shards": one.shards, "regimes": one.trainings}


def _tasks(package: Package, times: Mapping[str, int]) -> int:
    def within(dag: Mapping[str, Any]) -> int:
        found = 0
        for task in dag["tasks"].values():
            component = package.spec["components"][task["componentRef"]["name"]]
            often = times[task["taskInfo"]["name"]] if "parameterIterator" in task else 1
            found += often * (within(component["dag"]) if "dag" in component else 1)
        return found

    return within(package.spec["root"]["dag"])


def test_the_tasks_are_counted(package: Package) -> None:
    spared = 0 if PROFILES[package.path.stem].pools else 2

    for fractions, shards, repeats in product((1, 3), (1, 8), (1, 2, 5)):
        one = Size(fractions, shards, len(REGIMES) * repeats)
        assert one.tasks - spared == _tasks(package, _times(one)), one


def test_the_preset_of_a_profile_fits_as_kfp_comes(package: Package) -> None:
    preset_size = size(preset(PROFILES[package.path.stem].preset))

    assert not preset_size.warning
    assert workflow_size(package, _times(preset_size)) < USABLE * LIMIT


@pytest.mark.parametrize("tasks", list(ROOM))
def test_a_run_of_so_many_tasks_fits(package: Package, tasks: int) -> None:
    for one in FITTING[tasks]:
        assert 0.9 * tasks < one.tasks <= tasks, one
        assert workflow_size(package, _times(one)) < USABLE * ROOM[tasks], one


@pytest.mark.parametrize("tasks", list(ROOM))
def test_a_run_of_some_more_tasks_may_not_fit(gpu: Package, tasks: int) -> None:
    """A number that is far too small would refuse runs that fit."""
    one = BEYOND[tasks]

    assert tasks < one.tasks < 1.1 * tasks
    assert workflow_size(gpu, _times(one)) > USABLE * ROOM[tasks]


def test_what_is_said_of_a_run_follows_from_its_tasks() -> None:
    def said(fractions: int, shards: int, trainings: int) -> tuple[int, bool, bool]:
        one = Size(fractions, shards, trainings)
        return one.tasks, bool(one.warning), bool(one.refusal)

    assert said(1, 68, 3) == (88, False, False)
    assert said(1, 69, 3) == (89, True, False)
    assert said(1, 108, 3) == (128, True, False)
    assert said(1, 109, 3) == (129, False, True)


def test_a_configuration_has_a_size() -> None:
    config = override(preset("smoke"), ["run.fractions=0.1,1", "run.repeats=2", "run.shards=4"])

    assert size(config) == Size(2, 4, 6)


def test_the_gate_checks_it_where_argo_keeps_the_run(package: Package) -> None:
    (gate,) = package.of("gate")
    schema = gate.spec["inputs"]["parameters"]["schema"]["runtimeValue"]["constant"]

    assert schema == "pipelines.size:ClusterConfig"


def test_infra_says_the_same_numbers() -> None:
    text = " ".join((PROJECT / "infra" / "README.md").read_text().split())
    kfp = [one.read_text() for one in (PROJECT / "infra" / "kfp").rglob("*") if one.is_file()]

    assert f"more than some {STOCK} tasks" in text
    assert f"enough for some {RAISED} tasks" in text
    assert f"MAX_WORKFLOW_SIZE={MAX_WORKFLOW_SIZE}" in text
    assert Size(5, 8, 3).warning.rpartition(": ")[2] in text
    given = re.findall(r'MAX_WORKFLOW_SIZE,\s*value: "(\d+)"', "\n".join(kfp))
    assert given == [str(MAX_WORKFLOW_SIZE)]
