"""How many cores and lanes a run takes of a machine."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipelines.machine import cores


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, 1000),
        ({"cpu.max": "max 100000\n"}, 1000),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "290000 100000\n"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1000),
        ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
)
def test_a_container_s_limit_counts_where_it_is_less_than_the_cores(
    files: Mapping[str, str], limit: int, tmp_path: Path
) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert cores(tmp_path) == min(len(os.sched_getaffinity(0)), limit)


def test_cores_that_this_process_may_not_use_do_not_count(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)
