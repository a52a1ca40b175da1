import json
from pathlib import Path

import pytest

from components.store import RECORD
from pipelines.config import Config
from pipelines.estimate import estimate
from pipelines.overrides import override
from pipelines.presets import preset

QUICK = preset("quickstart")


def _seconds(
    config: Config, store: Path, step: str, lanes: int = 1, accelerated: bool = False
) -> float | None:
    lines, _ = estimate(config, 100, store, lanes, accelerated)
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
    lines, _ = estimate(QUICK, 100, tmp_path, 2, False)

    assert {line.step for line in lines} == set(Config.model_fields) - {"run"} | {"synthetic_set"}


def test_twice_the_steps_take_about_twice_as_long(tmp_path: Path) -> None:
    once = _seconds(QUICK, tmp_path, "hypernetwork")
    steps = 2 * QUICK.hypernetwork.steps
    twice = _seconds(override(QUICK, [f"hypernetwork.steps={steps}"]), tmp_path, "hypernetwork")

    assert once and twice and 1.5 < twice / once < 2


def test_steps_that_a_drawing_leaves_out_take_no_time(tmp_path: Path) -> None:
    drawn = override(QUICK, ["hypernetwork.strength=1"])
    part, whole = (
        _seconds(override(drawn, [f"synthesis.strength={share}"]), tmp_path, "synthesis")
        for share in (0.3, 1.0)
    )

    assert part and whole and 0.3 * whole < part < 0.5 * whole


@pytest.mark.parametrize("step", ["prior", "synthesis"])
def test_guidance_computes_every_step_twice(tmp_path: Path, step: str) -> None:
    changes = [f"{step}.guidance=1", f"{step}.steps=100"]
    once = _seconds(override(QUICK, changes), tmp_path, step)
    twice = _seconds(override(QUICK, [*changes, f"{step}.guidance=2"]), tmp_path, step)

    assert once and twice and 1.8 < twice / once < 2


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


def test_a_model_of_stable_diffusion_s_size_takes_its_time(tmp_path: Path) -> None:
    tiny = override(QUICK, ["data_versioning.resolution=512"])
    large = override(tiny, ["base_model.source=owner/name", f"base_model.revision={'0' * 40}",
                            "hypernetwork.start=copy"])  # fmt: skip
    # Seconds that one step of four images took on two cores, a model of its shape: some 200.
    steps = QUICK.hypernetwork.steps * len(QUICK.run.fractions) * QUICK.hypernetwork.batch / 4

    seconds = _seconds(large, tmp_path, "hypernetwork", lanes=1)

    assert seconds and 100 < seconds / steps < 1000
    assert seconds > 20 * (_seconds(tiny, tmp_path, "hypernetwork", lanes=1) or 0)


def test_a_rate_measured_with_the_small_model_is_none_of_the_large_one(tmp_path: Path) -> None:
    _finished(tmp_path, steps=QUICK.hypernetwork.steps, seconds=50)
    large = override(QUICK, ["base_model.source=owner/name", f"base_model.revision={'0' * 40}",
                             "hypernetwork.start=copy"])  # fmt: skip

    small, big = (_seconds(one, tmp_path, "hypernetwork") for one in (QUICK, large))

    assert small and big and big > 50 * small


def test_disk_follows_from_the_model_that_every_fraction_leaves(tmp_path: Path) -> None:
    lines, _ = estimate(preset("paper"), 100, tmp_path, 1, True)
    disk = {line.step: line.bytes for line in lines}

    assert disk["base_model"] > 4e9
    # Three models of 4.3 GB, and one checkpoint with two moments beside the weights.
    assert 20e9 < disk["dreambooth"] < 26e9
