import time
from itertools import pairwise

import pytest

from components.progress import LABEL, track


def test_every_count_is_said_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of whatever task has run in this process before.
    monkeypatch.delenv(LABEL, raising=False)
    for _ in track(range(2), "training", seconds=0.01):
        for _ in track(range(3), "predicting", unit="batches", seconds=0.01):
            time.sleep(0.03)

    said = [line.partition(",")[0] for line in capsys.readouterr().out.splitlines()]

    assert said.count("» training 2/2 steps") == 1
    assert said.count("» predicting 3/3 batches") == 2
    assert all(one != after for one, after in pairwise(said))
    outer = [line for line in said if "training" in line]
    assert len(outer) == len(set(outer))
