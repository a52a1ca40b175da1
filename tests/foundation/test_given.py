"""What a cluster gives beside what KFP and its MLflow plugin give."""

import os
from collections.abc import Mapping

import pytest

from components.given import SHARED, take, variable

OURS = {"MLFLOW_TRACKING_URI": "http://ours", "MLFLOW_TRACKING_TOKEN": "ours"}


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SHARED:
        # What `take` sets is only removed again where something was known before.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
        monkeypatch.delenv(variable(name), raising=False)


def _given(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(variable(name), value)


def test_what_the_cluster_gives_is_found_under_the_names_that_libraries_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = {name: f"a value of {name}" for name in SHARED}
    _given(monkeypatch, values)

    take()
    take()

    assert {name: os.environ[name] for name in SHARED} == values


def test_the_plugins_mlflow_is_not_asked_with_the_credentials_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://plugin")
    _given(monkeypatch, OURS)

    take()

    assert os.environ["MLFLOW_TRACKING_URI"] == "http://plugin"
    assert "MLFLOW_TRACKING_TOKEN" not in os.environ


def test_our_mlflow_is_asked_with_our_credentials_where_the_plugin_keeps_its_own_to_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # KFP's launcher, in whose container a step runs, has them.
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "the launcher's")
    _given(monkeypatch, OURS)

    take()

    assert os.environ["MLFLOW_TRACKING_URI"] == "http://ours"
    assert os.environ["MLFLOW_TRACKING_TOKEN"] == "ours"


def test_the_proxy_that_kfp_has_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://kfp:3128")
    _given(monkeypatch, {"HTTPS_PROXY": "http://ours:3128", "NO_PROXY": ".plant.example"})

    take()

    assert os.environ["HTTPS_PROXY"] == "http://kfp:3128"
    assert os.environ["NO_PROXY"] == ".plant.example"
