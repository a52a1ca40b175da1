"""Every manifest against the schemas of every Kubernetes version that infra/ names."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import yaml
from infra_manifests import (
    COMPONENTS,
    IN_GPU,
    INFRA,
    KUBERNETES,
    OVERLAYS,
    WITH_MLFLOW,
    WITHOUT_MLFLOW,
    Object,
    component,
    everything,
    named,
    overlay,
)
from referencing import Registry, Resource

from pipelines.names import STORE_CLAIM

_SCHEMAS = files("kubernetes_validate") / "kubernetes-json-schema"


def _schema(version: str, name: str) -> Any:
    return json.loads((_SCHEMAS / f"v{version}.0-local-strict" / f"{name}.json").read_text())


@cache
def _definitions(version: str) -> Registry:
    return (Resource.from_contents(_schema(version, "_definitions")) @ Registry()).crawl()


def problems(one: Object, version: str) -> list[str]:
    """What a version of Kubernetes has against an object."""
    group, _, api = one["apiVersion"].rpartition("/")
    name = "-".join(part for part in (one["kind"].lower(), group.partition(".")[0], api) if part)
    validator = jsonschema.Draft202012Validator(
        _schema(version, name), registry=_definitions(version)
    )
    where = f"{one['kind']} {one['metadata']['name']}"
    return [f"{where}: {error.json_path}: {error.message}" for error in validator.iter_errors(one)]


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_of_every_overlay_is_valid(version: str) -> None:
    rendered = everything()
    distinct = {json.dumps(one, sort_keys=True) for objects in rendered.values() for one in objects}

    assert len(rendered) == len(OVERLAYS) + 2 * len(COMPONENTS) - len(IN_GPU) >= 12
    assert len(distinct) >= 30
    assert [text for one in distinct for text in problems(json.loads(one), version)] == []


@pytest.mark.parametrize("version", KUBERNETES)
def test_what_is_added_to_kfp_is_valid(version: str) -> None:
    folder = INFRA / "kfp" / "changes"
    added = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]

    assert added
    for name in added:
        assert problems(yaml.safe_load((folder / name).read_text()), version) == []


def test_a_wrong_manifest_is_found() -> None:
    wrong = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "wrong"},
        "spec": {"replica": 1, "selector": {}, "template": {"spec": {"containers": [{}]}}},
    }

    found = " ".join(problems(wrong, KUBERNETES[-1]))

    assert "'replica' was unexpected" in found
    assert "'name' is a required property" in found


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_has_one_object_of_a_name(name: str) -> None:
    keys = [
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
        for one in overlay(name)
    ]

    assert len(keys) >= (20 if name in WITH_MLFLOW else 6)
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", [name for name in COMPONENTS if name not in IN_GPU])
def test_a_component_adds_to_the_gpu_overlay_and_takes_no_name_of_its_own(name: str) -> None:
    def keys(objects: tuple[Object, ...]) -> list[tuple[str, str | None, str]]:
        return [
            (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
            for one in objects
        ]

    found = keys(component(name, "overlays/gpu"))

    assert len(found) == len(set(found)) >= 16
    assert ("NetworkPolicy", "defectory", "mlflow-object-store") in found
    if name == "kfp-object-store":
        assert set(found) >= {
            ("NetworkPolicy", "defectory", "mlflow-kfp-object-store"),
            ("NetworkPolicy", "kubeflow", "defectory-mlflow-object-store"),
        }


@pytest.mark.parametrize("ground", WITHOUT_MLFLOW)
def test_what_is_without_mlflow_takes_what_is_not_about_it(ground: str) -> None:
    objects = component("private-registry", f"overlays/{ground}")

    (account,) = [one for one in objects if one["kind"] == "ServiceAccount"]
    assert account["imagePullSecrets"] == [{"name": "defectory-registry"}]
    text = " ".join((INFRA / "README.md").read_text().split())
    assert (
        "`existing` and `gpu-existing` take `private-registry` only, the latter `filestore` too"
        in text
    )
    for name in ("kfp-object-store", "external-database"):
        with pytest.raises(AssertionError, match="does not exist|no matches"):
            component(name, f"overlays/{ground}")
    # This one is rendered, with a service for an MLflow that is not there.
    added = component("local-access", f"overlays/{ground}")
    assert "defectory" in {one["metadata"].get("namespace") for one in added}


def test_on_gke_the_store_is_the_same_where_mlflow_is_already() -> None:
    with_ours = overlay("gpu-gke")
    without = component("filestore", "overlays/gpu-existing")

    for kind, name in (("PersistentVolumeClaim", STORE_CLAIM), ("Job", "defectory-store")):
        assert named(without, kind, name) == named(with_ours, kind, name)
    assert named(without, "PersistentVolumeClaim", STORE_CLAIM)["spec"]["storageClassName"] == (
        "standard-rwx"
    )


def test_a_managed_database_leaves_none_in_the_cluster() -> None:
    objects = component("external-database")

    assert not [one for one in objects if one["metadata"]["name"] == "postgres"]
    (settings,) = [one for one in objects if one["metadata"]["name"].startswith("database-")]
    assert settings["data"]["PGSSLMODE"] == "require"
