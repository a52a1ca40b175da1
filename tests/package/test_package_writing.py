"""When a package is written, when it is refused, and which images it names."""

import json
from pathlib import Path

import pytest
from compiled import Package, compile_package

from pipelines.config import OWN_COPY, Config
from pipelines.overrides import override
from pipelines.package import BadPackage, write_package
from pipelines.presets import preset
from pipelines.profiles import KIND

DIGEST = "sha256:" + 64 * "a"


@pytest.fixture
def config() -> Config:
    return preset("smoke")


def built(path: Path, reference: str, digest: str | None) -> dict[str, str]:
    images = {
        name: {"reference": reference.format(name), "digest": digest, "id": DIGEST}
        for name in ("data", "diffusion", "detection")
    }
    path.write_text(json.dumps(images))
    return {"DEFECTORY_IMAGES": str(path)}


def test_images_are_named_by_digest_where_a_registry_gave_one(tmp_path: Path) -> None:
    environment = built(tmp_path / "d.json", "registry.example:5000/x/{}:1.0", DIGEST)
    compile_package("kind", tmp_path / "p.yaml", environment=environment)

    images = {task.container["image"] for task in Package(tmp_path / "p.yaml").tasks}

    assert images == {
        f"registry.example:5000/x/{name}@{DIGEST}" for name in ("data", "diffusion", "detection")
    }


def test_an_image_without_a_version_is_refused(tmp_path: Path) -> None:
    environment = built(tmp_path / "d.json", "registry.example:5000/x/{}:latest", None)
    out = tmp_path / "p.yaml"
    out.write_text("what was there")

    with pytest.raises(AssertionError, match=r"x/data:latest has no version.*images build"):
        compile_package("kind", out, environment=environment)
    assert out.read_text() == "what was there"


@pytest.mark.parametrize(
    "data", ["/data/photos", "photos", "../photos", "data/data.dvc", "/storehouse/x", "/store/../x"]
)
def test_data_of_this_machine_is_refused_with_a_way_out(
    config: Config, tmp_path: Path, data: str
) -> None:
    with pytest.raises(BadPackage, match=r"dvc push.*git:PATH/data\.dvc.*/store/FOLDER"):
        write_package(config, KIND, tmp_path / "p.yaml", data=data)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data",
    [
        "https://ada:hunter22@host.example/photos.git:data.dvc",
        "https://ghp_hunter22@host.example/photos.git:data.dvc",
        "ada:hunter22@host.example/photos.git:data.dvc",
        "https://ada:hunter22@host.example/photos",
    ],
)
def test_a_password_in_the_datas_address_is_refused_and_not_repeated(
    config: Config, tmp_path: Path, data: str
) -> None:
    with pytest.raises(BadPackage, match="leave the password out") as caught:
        write_package(config, KIND, tmp_path / "p.yaml", data=data)

    assert "hunter22" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("data", ["data.dvc", "/store/photos"])
def test_a_revision_of_data_that_has_none_is_refused(
    config: Config, tmp_path: Path, data: str
) -> None:
    with pytest.raises(BadPackage, match=rf"--revision v1: --data {data} .*no revisions"):
        write_package(config, KIND, tmp_path / "p.yaml", data=data, revision="v1")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data",
    ["ssh://git@host.example/owner/repo.git:photos/steel.dvc", "git@host.example:o/r.git:data.dvc"],
)
def test_data_that_a_pod_can_see_is_the_default_of_the_parameter(
    config: Config, tmp_path: Path, data: str
) -> None:
    out = tmp_path / "p.yaml"
    write_package(config, KIND, out, data=data, revision="v1")

    parameters = Package(out).parameters
    assert parameters["data"]["defaultValue"] == data
    assert parameters["revision"]["defaultValue"] == "v1"
    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]


def test_data_and_files_on_the_store_are_taken(config: Config, tmp_path: Path) -> None:
    out = tmp_path / "p.yaml"
    write_package(
        override(
            config,
            [OWN_COPY, "mask_rcnn.weights=/store/w.safetensors", "base_model.source=/store/sd"],
        ),
        KIND,
        out,
        data="/store/photos",
    )

    assert "/store/w.safetensors" in out.read_text()


@pytest.mark.parametrize(
    "change",
    [
        "mask_rcnn.weights=/home/me/w.safetensors",
        "fid_evaluation.weights=weights/inception.pt",
        "base_model.source=/models/sd",
        "base_model.source=./sd",
    ],
)
def test_files_of_this_machine_are_refused_with_a_way_out(
    config: Config, tmp_path: Path, change: str
) -> None:
    setting = change.partition("=")[0]
    with pytest.raises(BadPackage, match=rf"{setting}=.*defectory-store and give /store/"):
        write_package(override(config, [OWN_COPY, change]), KIND, tmp_path / "p.yaml")


def test_a_run_that_argo_has_no_room_for_is_refused(config: Config, tmp_path: Path) -> None:
    changed = override(config, ["plan.images=500", "run.shards=200"])

    with pytest.raises(BadPackage, match=r"220 tasks .*200 shards.*take fewer shards"):
        write_package(changed, KIND, tmp_path / "p.yaml")
    assert not list(tmp_path.iterdir())


def test_all_reasons_are_told_at_once(config: Config, tmp_path: Path) -> None:
    changed = override(config, ["mask_rcnn.weights=/w.pt", "fid_evaluation.weights=/i.pt"])
    with pytest.raises(BadPackage) as caught:
        write_package(changed, KIND, tmp_path / "nowhere" / "p.yaml", data="photos")

    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("p.json", "name a .yaml file"),
        ("nowhere/p.yaml", "there is no folder"),
        ("d.yaml", "folder"),
    ],
)
def test_a_target_that_cannot_be_written_is_told(
    config: Config, tmp_path: Path, target: str, said: str
) -> None:
    (tmp_path / "d.yaml").mkdir()
    with pytest.raises(BadPackage, match=said):
        write_package(config, KIND, tmp_path / target)
