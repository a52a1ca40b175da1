"""What the containers of a run see of this machine, and what they may do there."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines import docker
from pipelines.config import OWN_COPY, Config
from pipelines.overrides import override
from pipelines.presets import preset
from pipelines.shown import NotShown, Shown, check_open, shown

COMMIT = 40 * "a"
SMOKE = preset("smoke")
NAMES = ("HF_HOME", "HF_HUB_CACHE", "HF_XET_CACHE", "HF_TOKEN_PATH", "XDG_CACHE_HOME")


def _based_on(source: str, revision: str = "", digest: str = "") -> Config:
    changes = [f"source={source}", f"revision={revision}", f"digest={digest}"]
    return override(SMOKE, [OWN_COPY, *(f"base_model.{one}" for one in changes)])


HUB = _based_on("owner/name", COMMIT)

_SHOW = """
import os, sys
from pipelines.overrides import override
from pipelines.presets import preset
from pipelines.shown import shown
seen = shown(override(preset("smoke"), sys.argv[1:]), os.environ)
print(*seen.writable, sep="\\n", end="\\n--\\n")
print(*seen.readable, sep="\\n", end="\\n--\\n")
print(*(f"{name}={value}" for name, value in seen.environment.items() if "HF" in name), sep="\\n")
"""


def _seen(home: Path, variables: dict[str, str]) -> tuple[list[str], list[str], dict[str, str]]:
    """What containers see, asked in a process of its own: the hub reads variables once."""
    changes = [OWN_COPY, "base_model.source=owner/name", f"base_model.revision={COMMIT}"]
    plain = {one: value for one, value in os.environ.items() if one not in NAMES}
    plain = {one: value for one, value in plain.items() if not one.endswith(("_FILE", "_BUNDLE"))}
    done = subprocess.run(
        [sys.executable, "-c", _SHOW, *changes],
        env=plain | {"HOME": str(home)} | variables,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    writable, readable, environment = done.stdout.split("--\n")
    return (
        writable.split(),
        readable.split(),
        dict(line.split("=", 1) for line in environment.splitlines()),
    )


@pytest.mark.parametrize(
    ("variables", "hub", "chunks"),
    [
        ({}, ".cache/huggingface/hub", ".cache/huggingface/xet"),
        ({"XDG_CACHE_HOME": "c"}, "c/huggingface/hub", "c/huggingface/xet"),
        ({"HF_HOME": "hf"}, "hf/hub", "hf/xet"),
        ({"HF_HOME": "hf", "HF_HUB_CACHE": "models"}, "models", "hf/xet"),
        ({"HF_HUB_CACHE": "models", "HF_XET_CACHE": "chunks"}, "models", "chunks"),
    ],
)
def test_the_hubs_caches_are_those_of_this_machine(
    variables: dict[str, str], hub: str, chunks: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    named = {name: str(home / value) for name, value in variables.items()}
    writable, readable, environment = _seen(home, named)

    places = {"HF_HUB_CACHE": str(home / hub), "HF_XET_CACHE": str(home / chunks)}
    assert writable == list(places.values())
    assert all(Path(one).is_dir() for one in writable)
    assert readable == []
    assert environment == places


def test_a_cache_behind_a_link_is_shown_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")

    writable, _, environment = _seen(tmp_path, {"HF_HUB_CACHE": str(tmp_path / "link")})

    assert writable[0] == environment["HF_HUB_CACHE"] == str(tmp_path / "disk")


def test_the_hubs_token_is_read_and_not_written(tmp_path: Path) -> None:
    token = tmp_path / ".cache" / "huggingface" / "token"
    token.parent.mkdir(parents=True)
    token.write_text("hf_x")

    _, readable, environment = _seen(tmp_path, {"HF_ENDPOINT": "https://hub.example"})

    assert readable == [str(token)]
    assert environment["HF_TOKEN_PATH"] == str(token)
    assert environment["HF_ENDPOINT"] == "https://hub.example"


def test_a_cache_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "file" / "hub"))

    with pytest.raises(NotShown, match="set HF_HUB_CACHE to one that you may write to"):
        shown(HUB, {})


@pytest.mark.parametrize("config", [SMOKE, _based_on("/models/sd"), _based_on("sd", "", COMMIT)])
def test_without_the_hub_none_of_its_places_is_shown(config: Config, tmp_path: Path) -> None:
    places = {"HF_HOME": "/h", "HF_HUB_CACHE": "/h/hub", "HF_TOKEN_PATH": "/h/token"}

    seen = shown(config, {**places, "HF_HUB_OFFLINE": "1", "no_proxy": "x", "OTHER": "y"})

    assert seen.writable == ()
    assert seen.environment == {"HF_HUB_OFFLINE": "1", "no_proxy": "x"}


def test_certificates_are_shown_under_the_names_that_are_handed_on(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    (tmp_path / "link.pem").symlink_to("ca.pem")
    link = str(tmp_path / "link.pem")
    named = {"SSL_CERT_FILE": link, "REQUESTS_CA_BUNDLE": link, "AWS_CA_BUNDLE": "/not/there"}

    seen = shown(SMOKE, named)

    real = tmp_path / "ca.pem"
    assert set(seen.readable) == {real}
    assert seen.environment == {"SSL_CERT_FILE": str(real), "REQUESTS_CA_BUNDLE": str(real)}


def test_files_that_the_settings_name_are_shown(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").touch()
    (tmp_path / "sd").mkdir()
    config = override(
        _based_on(str(tmp_path / "sd")), [f"mask_rcnn.weights={tmp_path}/w.safetensors"]
    )

    assert shown(config, {}) == Shown((), (tmp_path / "w.safetensors", tmp_path / "sd"), {})


class _Found:
    """As much of a file's state as decides who may do what."""

    def __init__(self, user: int, group: int, mode: int) -> None:
        self.st_uid, self.st_gid, self.st_mode = user, group, mode


@pytest.mark.parametrize(
    ("user", "group", "mode", "write", "refused"),
    [
        (0, 0, 0o700, True, False),
        (0, 0, 0o500, True, True),
        (1000, 1000, 0o755, False, False),
        (1000, 1000, 0o755, True, True),
        (1000, 1000, 0o700, False, True),
        (1000, 1000, 0o744, False, True),
        (1000, 1000, 0o777, True, False),
        (1000, 0, 0o770, True, False),
        (1000, 0, 0o707, False, True),
    ],
)
def test_root_is_told_what_it_may_not_do_in_a_container(
    user: int,
    group: int,
    mode: int,
    write: bool,
    refused: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(os, "getgid", lambda: 0)
    monkeypatch.setattr(os, "getgroups", lambda: [0])
    monkeypatch.setattr(Path, "is_dir", lambda _: True)
    monkeypatch.setattr(Path, "stat", lambda *_, **__: _Found(user, group, mode))
    if not refused:
        check_open([folder], write=write)
        return

    with pytest.raises(NotShown, match=rf"photos belongs to user {user}.*mode {mode:o}") as caught:
        check_open([folder], write=write)
    assert "Run as that user, or change the owner or the mode" in str(caught.value)


def test_others_than_root_may_do_what_they_may_do_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: 4242)

    check_open([tmp_path], write=True)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What KFP's runner is given, without an engine."""
    from contextlib import nullcontext

    found: dict[str, Any] = {}
    monkeypatch.setattr("kfp.local.DockerRunner", lambda **words: found.update(words))
    monkeypatch.setattr(docker, "_client", lambda: type("Client", (), {"close": lambda _: None})())
    monkeypatch.setattr(docker, "_check_images", lambda _: None)
    for name in ("_none_left", "_interruptible", "_watched"):
        monkeypatch.setattr(docker, name, lambda *_: nullcontext([]))
    return found


def test_a_container_has_no_capabilities_and_what_it_needs_of_this_machine(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "ca.pem").touch()
    (tmp_path / "photos").mkdir()
    (tmp_path / "out").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "elsewhere"))
    for name, place in (("HF_HUB_CACHE", "hub"), ("HF_XET_CACHE", "xet"), ("HF_TOKEN_PATH", "t")):
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", str(tmp_path / place))

    own = {"DEFECTORY_STORE": "s"}
    with docker.containers(HUB, tmp_path, [tmp_path / "out"], [tmp_path / "photos"], own):
        pass

    assert given["cap_drop"] == ["ALL"]
    assert given["read_only"] is True
    assert given["user"] == f"{os.getuid()}:{os.getgid()}"
    mounts = {one["Target"]: one["ReadOnly"] for one in given["mounts"]}
    assert all(one["Source"] == one["Target"] for one in given["mounts"])
    assert mounts == {
        str(tmp_path / "out"): False,
        str(tmp_path / "hub"): False,
        str(tmp_path / "xet"): False,
        str(tmp_path / "photos"): True,
        str(tmp_path / "ca.pem"): True,
    }
    environment = given["environment"]
    assert environment["HF_HUB_CACHE"] == str(tmp_path / "hub")
    assert environment["SSL_CERT_FILE"] == str(tmp_path / "ca.pem")
    assert environment["DEFECTORY_STORE"] == "s"
    assert "HF_HOME" not in environment
