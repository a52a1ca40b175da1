"""How many cores and lanes a run takes of a machine."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from components.cores import cores
from pipelines.machine import lanes, room


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


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"memory.max": "1000000\n"}, 1_000_000),
        ({"memory/memory.limit_in_bytes": "2000000\n"}, 2_000_000),
        ({"memory.max": "max\n"}, None),
        ({}, None),
    ],
)
def test_a_container_s_memory_counts(
    files: Mapping[str, str], limit: int | None, tmp_path: Path
) -> None:
    (tmp_path / "memory").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert room(tmp_path) == (limit or whole)


def test_two_tasks_compute_at_once_only_if_both_fit() -> None:
    assert lanes(room()) == 1
    assert lanes(1_000_000) == lanes()
