import json
from pathlib import Path

from components.store import RECORD
from pipelines.config import Config
from pipelines.estimate import estimate
from pipelines.overrides import override
from pipelines.presets import preset

QUICK = preset("quickstart")


def _seconds(
    config: Config, store: Path, step: str, lanes: int = 1, accelerated: bool = False
) -> float | None:
    lines, _ = estimate(config, 100, 10_000_000, store, lanes, accelerated)
    (line,) = [line for line in lines if line.step == step]
    return line.seconds


def _finished(store: Path, steps: int, seconds: float) -> None:
    folder = store / "hypernetwork" / "0123456789abcdef" / "result"
    folder.mkdir(parents=True)
    settings = QUICK.hypernetwork.model_dump(mode="json") | {"steps": steps}
    data = QUICK.data_versioning.model_dump(mode="json")
    record = {
        "step": "hypernetwork",
        "settings": settings,
        "scalars": {},
        "seconds": seconds,
        "continued": False,
        "lineage": [{"step": "data_versioning", "settings": data}],
    }
    (folder / RECORD).write_text(json.dumps(record))


def test_every_step_of_the_configuration_has_a_row(tmp_path: Path) -> None:
    lines, _ = estimate(QUICK, 100, 10_000_000, tmp_path, 2, False)

    assert {line.step for line in lines} == set(Config.model_fields) - {"run"} | {"synthetic_set"}


def test_twice_the_steps_take_about_twice_as_long(tmp_path: Path) -> None:
    once = _seconds(QUICK, tmp_path, "hypernetwork")
    steps = 2 * QUICK.hypernetwork.steps
    twice = _seconds(override(QUICK, [f"hypernetwork.steps={steps}"]), tmp_path, "hypernetwork")

    assert once and twice and 1.5 < twice / once < 2


def test_steps_that_a_drawing_leaves_out_take_no_time(tmp_path: Path) -> None:
    part, whole = (
        _seconds(override(QUICK, [f"synthesis.strength={share}"]), tmp_path, "synthesis")
        for share in (0.3, 1.0)
    )

    assert part and whole and 0.3 * whole < part < 0.5 * whole


def test_a_gpu_s_times_are_unknown_until_something_was_measured(tmp_path: Path) -> None:
    assert _seconds(QUICK, tmp_path, "hypernetwork", accelerated=True) is None

    _finished(tmp_path, steps=100, seconds=50)

    assert _seconds(QUICK, tmp_path, "hypernetwork", accelerated=True) is not None


def test_what_was_measured_here_counts_more_than_what_was_measured_elsewhere(
    tmp_path: Path,
) -> None:
    before = _seconds(QUICK, tmp_path, "hypernetwork")
    _finished(tmp_path, steps=QUICK.hypernetwork.steps, seconds=5000)

    after = _seconds(QUICK, tmp_path, "hypernetwork")

    assert before and after and after > 3 * before
    assert abs(after - 3 * 5000) < 0.1 * after


def test_three_tasks_in_two_lanes_take_as_long_as_two_in_one(tmp_path: Path) -> None:
    _finished(tmp_path, steps=QUICK.hypernetwork.steps, seconds=5000)

    after = _seconds(QUICK, tmp_path, "hypernetwork", lanes=2)

    assert len(QUICK.run.fractions) == 3
    assert after and abs(after - 2 * 5000) < 0.1 * after
