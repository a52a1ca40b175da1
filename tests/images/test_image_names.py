"""What images are called, where they are, and what a package may say of them."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from components.image import BUILT, REGISTRY, SETS, image, in_registry, unbuilt
from pipelines.cli import main
from pipelines.images.about import about, published, tag
from pipelines.images.listing import OTHERS, listing
from pipelines.images.reach import unreachable
from pipelines.profiles import GPU, KIND, Profile
from pipelines.refusal import Refusal

DIGEST = "sha256:" + "a" * 64


def test_a_name_is_never_latest_and_the_digest_counts_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "digests.json"
    entry = {"id": DIGEST, "size": 1}
    file.write_text(
        json.dumps(
            {
                "data": entry | {"reference": "r.example:5000/x/data:1-a", "digest": DIGEST},
                "diffusion": entry | {"reference": "defectory/diffusion:1-a", "digest": None},
            }
        )
    )
    monkeypatch.setenv(BUILT, str(file))
    monkeypatch.setenv(REGISTRY, "r.example:5000/x/")

    assert image("data") == f"r.example:5000/x/data@{DIGEST}"
    assert image("diffusion") == "defectory/diffusion:1-a"
    assert re.fullmatch(r"r\.example:5000/x/defectory/detection:\d+\.\d+\.\d+", image("detection"))


def test_two_contents_never_share_a_tag() -> None:
    assert tag("0.1.0", DIGEST) != tag("0.1.0", "sha256:" + "b" * 64)


@pytest.mark.parametrize("content", [None, "no json", '["a list"]', '{"data": {"digest": null}}'])
def test_a_file_of_images_that_is_none_is_refused(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "digests.json"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv(BUILT, str(file))

    with pytest.raises(ValueError, match="defectory images build"):
        image("data")


def test_the_listing_has_ours_the_base_and_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = tmp_path / "images.txt"
    others.write_text("# KFP\nghcr.io/kubeflow/kfp-driver:2.17.0  # a remark\n\nmysql:8.4\n")
    monkeypatch.setattr("pipelines.images.listing.OTHERS", others)
    lines = listing()

    assert lines[: len(SETS)] == [image(one) for one in SETS]
    assert lines[len(SETS)].startswith("python:3.11-slim-bookworm@sha256:")
    assert lines[-2:] == ["ghcr.io/kubeflow/kfp-driver:2.17.0", "mysql:8.4"]


def test_the_listing_names_no_image_without_a_version() -> None:
    lines = listing()

    assert len(lines) > len(SETS)
    assert [one for one in lines if ":" not in one or one.endswith(":latest")] == []
    if OTHERS.is_file():
        assert len(lines) > len(SETS) + 10


def _record(path: Path, reference: str, digest: str | None, only: Iterable[str] = SETS) -> None:
    entry = {"digest": digest, "id": DIGEST, "size": 1}
    content = {one: entry | {"reference": reference.format(one)} for one in only}
    path.write_text(json.dumps(content))


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the images are on record; nothing is there yet."""
    file = tmp_path / "digests.json"
    monkeypatch.setattr("components.image.built_file", lambda: file)
    monkeypatch.setattr("pipelines.images.reach.built_file", lambda: file)
    monkeypatch.delenv(BUILT, raising=False)
    monkeypatch.delenv(REGISTRY, raising=False)
    return file


@pytest.mark.parametrize("profile", [KIND, GPU], ids=lambda one: one.name)
@pytest.mark.parametrize("built", [[], ["data"], ["data", "diffusion"]])
def test_images_that_nobody_built_are_told_with_ways_out(
    built: list[str], profile: Profile, record: Path
) -> None:
    if built:
        _record(record, "own.example/defectory/{}:1-a", DIGEST, built)

    said = unreachable(profile)

    missing = [one for one in SETS if one not in built]
    assert unbuilt() == missing
    assert f"no build of {', '.join(missing)} is on record" in said
    assert image("detection") in said
    for one in ("`defectory images build`", "infra/push", BUILT, str(record)):
        assert one in said


def test_images_of_this_machine_are_for_a_cluster_on_it(record: Path) -> None:
    _record(record, "defectory/{}:1-a", None)

    assert unreachable(KIND) == ""
    said = unreachable(GPU)
    assert "defectory/data:1-a, defectory/diffusion:1-a, defectory/detection:1-a" in said
    assert "infra/push" in said
    assert "profile gpu" in said


@pytest.mark.parametrize("digest", [None, DIGEST])
def test_images_of_a_registry_are_for_every_cluster(digest: str | None, record: Path) -> None:
    _record(record, "own.example/defectory/{}:1-a", digest)

    assert unreachable(KIND) == unreachable(GPU) == ""


def test_a_record_that_cannot_be_used_is_refused(record: Path) -> None:
    record.write_text("no json")

    with pytest.raises(Refusal, match="defectory images build"):
        unreachable(KIND)


@pytest.mark.parametrize("content", [None, "defectory/{}:1-a"])
def test_what_no_cluster_would_get_is_not_deployed(
    content: str | None, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content:
        _record(record, content, None)

    with pytest.raises(SystemExit) as end:
        main(["deploy", "--profile", "gpu", "--endpoint", "http://localhost:1"])

    assert end.value.code == 2
    assert "infra/push" in capsys.readouterr().err


@pytest.mark.parametrize("built", [True, False])
def test_the_list_says_which_of_its_images_are_none(
    built: bool, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if built:
        _record(record, "own.example/defectory/{}:1-a", DIGEST)

    with pytest.raises(SystemExit) as end:
        main(["images", "list"])

    said = capsys.readouterr()
    assert end.value.code == 0
    assert said.out.splitlines()[0] == image("data")
    assert ("no build of data, diffusion, detection is on record" in said.err) != built


def test_a_list_of_a_record_that_is_none_is_refused(
    record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record.write_text("no json")

    with pytest.raises(SystemExit) as end:
        main(["images", "list"])

    assert end.value.code == 2
    assert "delete it, and build again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("defectory/data:0.1.0", False),
        ("plant/defectory/data:0.1.0", False),
        ("data:0.1.0", False),
        ("localhost/data:1", True),
        ("registry:5000/data:1", True),
        ("docker.io/plant/data:1", True),
        ("own.example/x/defectory/data@sha256:aa", True),
    ],
)
def test_a_registry_is_told_from_a_folder(reference: str, expected: bool) -> None:
    assert in_registry(reference) == expected


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://host.example/owner/repo.git", "https://host.example/owner/repo"),
        ("https://host.example:8443/owner/repo/", "https://host.example:8443/owner/repo"),
        ("https://ada:hunter22@host.example/owner/repo.git", "https://host.example/owner/repo"),
        ("http://ghp_hunter22@host.example/owner/repo", "http://host.example/owner/repo"),
        ("git@host.example:owner/repo.git", "https://host.example/owner/repo"),
        ("git@host.example:group/owner/repo", "https://host.example/group/owner/repo"),
        ("host.example:owner/repo.git", "https://host.example/owner/repo"),
        ("ssh://git@host.example/owner/repo.git", "https://host.example/owner/repo"),
        ("ssh://git@host.example:2222/owner/repo", "https://host.example/owner/repo"),
        ("ssh://git:hunter22@host.example/owner/repo", "https://host.example/owner/repo"),
        # A shorthand of one person's own configuration, places on a server's disk, no address.
        ("work:owner/repo.git", ""),
        ("git@host.example:/srv/repo.git", ""),
        ("ssh://git@host.example/~ada/repo.git", ""),
        ("/srv/git/repo.git", ""),
        ("../repo", ""),
        ("file:///srv/git/repo.git", ""),
        ("", ""),
    ],
)
def test_the_code_is_published_where_people_find_it(remote: str, address: str) -> None:
    assert published(remote) == address


def test_a_remote_by_ssh_gives_the_image_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.images.about._origin", lambda: "git@host.example:o/repo.git")
    assert "SOURCE=https://host.example/o/repo" in about()

    monkeypatch.setattr("pipelines.images.about._origin", lambda: "/srv/git/repo.git")
    assert not any(one.startswith("SOURCE=") for one in about())


def test_images_that_were_pushed_to_docker_hub_are_for_every_cluster(record: Path) -> None:
    _record(record, "plant/defectory/{}:1-a", DIGEST)

    assert unreachable(GPU) == ""
