"""The containers of a run, with Docker's own client on an engine that is played."""

import threading
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import ContainerCollection

from components.image import SETS, image
from pipelines.docker import EngineFailed, containers
from pipelines.presets import preset

CONFIG = preset("smoke")


class Engine:
    """Answers as Docker's low-level client; its containers vanish while they are looked at."""

    def __init__(self) -> None:
        self.there = {"left": True, "vanishing": False}
        self.failing = ""

    def containers(self, **_: Any) -> list[dict[str, str]]:
        if self.failing == "containers":
            raise docker.errors.APIError("no space left on device")
        return [{"Id": name} for name in self.there]

    def inspect_container(self, name: str) -> dict[str, str]:
        if not self.there[name]:
            raise docker.errors.NotFound(f"No such container: {name}")
        return {"Id": name}

    def remove_container(self, name: str, **_: Any) -> None:
        del self.there[name]


class Client:
    """As much of Docker's client as a run needs."""

    def __init__(self, engine: Engine) -> None:
        self.api = self.engine = engine
        self.containers = ContainerCollection(client=self)
        self.images = self

    def list(self) -> list[Any]:
        if self.engine.failing == "images":
            raise docker.errors.APIError("no space left on device")
        return [type("Image", (), {"tags": [image(one) for one in SETS]})]

    def events(self, **_: Any) -> Any:
        return Events()

    def close(self) -> None:
        pass


class Events:
    """A stream of events that says nothing until it is closed."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def __iter__(self) -> "Events":
        return self

    def __next__(self) -> Any:
        self._over.wait()
        raise StopIteration

    def close(self) -> None:
        self._over.set()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.delenv("DEFECTORY_IMAGES", raising=False)
    played = Engine()
    monkeypatch.setattr("pipelines.docker._client", lambda: Client(played))
    return played


def test_a_container_that_is_gone_when_it_is_looked_at_does_not_matter(
    engine: Engine, tmp_path: Path
) -> None:
    with containers(CONFIG, tmp_path, [tmp_path], [], {}):
        assert engine.there == {"vanishing": False}, "what a killed run left is removed"
        engine.there["new"] = True

    assert engine.there == {"vanishing": False}


@pytest.mark.parametrize("failing", ["images", "containers"])
def test_an_engine_that_fails_before_the_run_is_told(
    engine: Engine, tmp_path: Path, failing: str
) -> None:
    engine.failing = failing

    with pytest.raises(EngineFailed, match="no space left on device"):
        containers(CONFIG, tmp_path, [tmp_path], [], {}).__enter__()


def test_an_engine_that_fails_after_the_run_is_told(engine: Engine, tmp_path: Path) -> None:
    with (
        pytest.raises(EngineFailed, match="no space left on device"),
        containers(CONFIG, tmp_path, [tmp_path], [], {}),
    ):
        engine.failing = "containers"


@pytest.mark.parametrize(("names", "count"), [([], 0), (["1"], 1)])
def test_containers_get_the_machine_s_gpus(
    names: list[str], count: int, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.docker.gpus", lambda: names)

    with containers(CONFIG, tmp_path, [tmp_path], [], {}) as runner:
        asked = runner.container_run_args["device_requests"]

    assert [(one["Count"], one["Capabilities"]) for one in asked] == [(-1, [["gpu"]])] * count
