"""The pipeline's parameters, on the real DAG: KFP runs it, only the steps' work is left out."""

import html
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kfp import local
from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType
from stand_in import StandIn

from components.history import History
from components.store import RECORD
from components.task import SPOOL, STORE, WARM
from pipelines.overrides import override
from pipelines.parameters import parameters, switch
from pipelines.presets import NAMES, preset
from pipelines.valvano import STEPS, pipeline

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

CONFIG = override(preset("smoke"), ["run.fractions=0.5,1"])
CHANGES: dict[str, Any] = {
    "noun": "cast iron",
    "token": "zwx",
    "seed": 7,
    "dreambooth_steps": 3,
    "hypernetwork_steps": 4,
    "mask_rcnn_steps": 5,
    "images": 6,
    "samples": 1,
    "shards": 3,
    "fraction_50_percent": False,
}


PAGES = {"page", "table", "decision"}
"""What KFP's UI shows of a task, by the name of the output."""


@dataclass
class Ran:
    """What a run of the whole DAG left."""

    stand_in: StandIn
    store: Path
    root: Path
    photos: Path
    arguments: dict[str, Any]

    def again(self, **more: Any) -> int:
        """Run once more; returns how many steps were computed."""
        before = len(self.stand_in.calls)
        _run(self.root, self.photos, {**self.arguments, **more})
        return len(self.stand_in.calls) - before


def _run(root: Path, photos: Path, arguments: dict[str, Any]) -> None:
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(root), raise_on_error=True)
    pipeline(CONFIG, str(photos), "", "sha256:photos")(**arguments)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("ran")
    for name in ("photos", "spool"):
        (folder / name).mkdir()
    stand_in = StandIn(folder / "socket")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STORE, str(folder / "store"))
        patch.setenv(SPOOL, str(folder / "spool"))
        patch.setenv(WARM, str(stand_in.address))
        _run(folder / "root", folder / "photos", CHANGES)
        yield Ran(stand_in, folder / "store", folder / "root", folder / "photos", CHANGES)


def test_a_parameter_changes_the_settings_of_its_step(ran: Ran) -> None:
    def values(step: str, name: str) -> set[object]:
        found = ran.stand_in.of(step)
        assert found, step
        return {{**one.settings, **one.scalars}[name] for one in found}

    trained = [one for one in ran.stand_in.calls if one.step.endswith(":train")]
    steps = {one.step.split(".")[-2]: one.settings["steps"] for one in trained}
    assert steps == {"dreambooth": 3, "hypernetwork": 4, "mask_rcnn": 5}
    assert values("make_plan", "images") == {6}
    assert values("make_plan", "samples") == {1}
    assert values("make_plan", "token") == {"zwx"}
    assert values("draw_prior", "noun") == {"cast iron"}
    assert values("evaluate", "seed") == {7}
    assert values("version", "seed") == {7}


def test_the_number_of_shards_is_that_of_the_tasks(ran: Ran) -> None:
    drawn = [one.scalars for one in ran.stand_in.of("draw")]

    assert sorted(one["shard"] for one in drawn) == [0, 1, 2]
    assert {one["shards"] for one in drawn} == {3}


def test_a_fraction_that_is_off_is_left_out_and_the_dataset_stays(ran: Ran) -> None:
    fractions = {one.scalars["fraction"] for one in ran.stand_in.calls if "fraction" in one.scalars}

    assert fractions == {1.0}
    (dataset,) = ran.stand_in.of("version")
    assert dataset.scalars["fractions"] == "0.5,1", "switching must not change the dataset"


def test_inner_loops_keep_the_fraction_of_the_outer_one(ran: Ran) -> None:
    networks = [one for one in ran.stand_in.of("train") if "mask_rcnn" in one.step]

    assert sorted((one.scalars["regime"], one.scalars["fraction"]) for one in networks) == [
        ("real", 1.0),
        ("synthetic", 1.0),
        ("synthetic_then_real", 1.0),
    ], "the judge is the regime real, computed once"
    labels = {one.environment["DEFECTORY_LABEL"] for one in ran.stand_in.of("draw")}
    assert labels == {f"synthesis 100 %, shard {number} of 3" for number in (1, 2, 3)}


def test_the_report_is_told_the_configuration_that_was_run(ran: Ran) -> None:
    (call,) = ran.stand_in.of("write")
    told = json.loads(call.scalars["config"])

    assert told["run"] == {
        "fractions": [1.0], "seed": 7, "repeats": 1, "shards": 3, "token": "zwx",
        "noun": "cast iron",
    }  # fmt: skip
    assert told["mask_rcnn"]["steps"] == 5
    assert told["report"] == json.loads(CONFIG.report.model_dump_json())


def test_the_ui_gets_the_report_as_a_page(ran: Ran) -> None:
    (page,) = ran.root.glob("*/report/page")
    numbers = [path.read_text() for path in ran.root.rglob("iou-evaluation/page")]

    assert page.read_text().startswith("<html>the verdict")
    assert numbers and all("<td>n</td><td>1</td>" in one for one in numbers)


def test_every_task_shows_the_readme_of_its_step(ran: Ran) -> None:
    components = Path(__file__).parents[2] / "components"
    parts = {path.parent.name: path.read_text().strip() for path in components.rglob("README.md")}
    steps = {"judge": "mask_rcnn", "prior": "dreambooth", "plan": "synthesis",
             "synthetic_set": "synthesis"}  # fmt: skip
    looked_at = set()
    for path in ran.root.rglob("*"):
        if path.name in PAGES and path.is_file():
            step = path.parent.name.replace("-", "_").rstrip("_0123456789")
            shown = html.unescape(path.read_text()).replace("- • ", "- ")
            assert parts[steps.get(step, step)] in shown, path
            looked_at.add(step)

    assert looked_at == {component.name.replace("-", "_") for component in STEPS} | {
        "gate", "publication", "final_status",
    }  # fmt: skip


def test_what_did_not_change_is_not_done_again(ran: Ran) -> None:
    records = len(list(ran.store.rglob(RECORD)))
    assert ran.again(skip_unchanged=True) == 0
    (decision, *_) = sorted(ran.root.glob("*/gate/decision"), key=lambda one: one.stat().st_mtime)[
        ::-1
    ]
    folder = decision.parent.parent

    assert "Nothing to do" in decision.read_text()
    assert {path.name for path in folder.iterdir()} >= {"gate", "final-status"}
    assert not (folder / "data-versioning").exists()
    assert len(list(ran.store.rglob(RECORD))) == records
    notes = [json.loads(path.read_text()) for path in (ran.store / "history/runs").iterdir()]
    assert sorted((one["finished"], bool(one["unchanged"])) for one in notes) == [
        (False, True),
        (True, False),
    ]


def test_a_value_out_of_range_ends_the_run_before_any_work(ran: Ran) -> None:
    before = len(ran.stand_in.calls)

    with pytest.raises(RuntimeError, match="gate"):
        ran.again(samples=16)

    assert len(ran.stand_in.calls) == before
    assert History(ran.store / "history").folder.is_dir()


def _inputs(name: str) -> dict[str, Any]:
    found = pipeline(preset(name), "", "", "").pipeline_spec.root.input_definitions.parameters
    return dict(found)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_flat_and_explained(name: str) -> None:
    offered = parameters(preset(name))
    inputs = _inputs(name)

    assert len(offered) >= 15
    assert set(inputs) == {one.name for one in offered}
    kinds = {ParameterType.ParameterTypeEnum.Name(one.parameter_type) for one in inputs.values()}
    assert kinds == {"NUMBER_INTEGER", "STRING", "BOOLEAN"}, "no lists and no structures"
    for one in offered:
        assert inputs[one.name].description == one.meaning, one.name
        assert len(one.meaning) > 20, one.name
        assert inputs[one.name].HasField("default_value"), one.name


def test_parameters_are_named_for_people() -> None:
    assert [switch(fraction) for fraction in (0.001, 0.01, 0.1, 1.0)] == [
        "fraction_0_1_percent",
        "fraction_1_percent",
        "fraction_10_percent",
        "fraction_100_percent",
    ]


def test_only_what_speaks_of_the_run_itself_is_never_cached() -> None:
    spec = pipeline(CONFIG, "", "", "").pipeline_spec
    cached: dict[str, bool] = {
        name: task.caching_options.enable_cache
        for component in (spec.root, *spec.components.values())
        for name, task in component.dag.tasks.items()
        if task.component_ref.name in spec.components
        and spec.components[task.component_ref.name].executor_label
    }

    assert len(cached) == len(STEPS) + 3
    assert {name for name, on in cached.items() if not on} == {
        "gate",
        "publication",
        "final-status",
    }
