"""Rules that hold for every manifest; every guard is shown what it must find."""

import re
from collections.abc import Callable
from copy import deepcopy

import pytest
from infra_manifests import (
    WITHOUT_MLFLOW,
    Object,
    containers,
    everything,
    images,
    infra_files,
    overlay,
    pods,
    versions,
)

from components.image import SETS

_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|CREDENTIAL", re.IGNORECASE)
_HOST = ("hostNetwork", "hostPID", "hostIPC")


_OWNER = "Job defectory-store: open"
"""The one container that is root, without capabilities: nobody else may open what is root's."""


def not_restricted(objects: tuple[Object, ...]) -> list[str]:
    """Containers that `restricted` refuses, or whose root file system can be written."""
    found = [f"{name}: {field}" for name, pod in pods(objects) for field in _HOST if pod.get(field)]
    for name, one, pod in containers(objects):
        both = {**pod.get("securityContext", {}), **one.get("securityContext", {})}
        wanted = {
            "allowPrivilegeEscalation": both.get("allowPrivilegeEscalation") is False,
            "runAsNonRoot": both.get("runAsNonRoot") is True or name == _OWNER,
            "runAsUser": both.get("runAsUser", 0) > 0 or name == _OWNER,
            "capabilities": both.get("capabilities") == {"drop": ["ALL"]},
            "seccompProfile": both.get("seccompProfile") == {"type": "RuntimeDefault"},
            "privileged": not both.get("privileged"),
            "readOnlyRootFilesystem": both.get("readOnlyRootFilesystem") is True,
            "hostPort": not any("hostPort" in port for port in one.get("ports", [])),
        }
        found += [f"{name}: {field}" for field, right in wanted.items() if not right]
    return found


def foreign_volumes(objects: tuple[Object, ...]) -> list[str]:
    """Volumes of kinds that `restricted` refuses, those of the host above all."""
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
    return [
        f"{name}: {volume['name']}"
        for name, pod in pods(objects)
        for volume in pod.get("volumes", [])
        if not set(volume) - {"name"} <= allowed
    ]


def contained_secrets(objects: tuple[Object, ...]) -> list[str]:
    """Secrets, and values that look like one, that are written down."""
    found = [one["metadata"]["name"] for one in objects if one["kind"] == "Secret"]
    found += [
        f"{one['metadata']['name']}: {key}"
        for one in objects
        if one["kind"] == "ConfigMap"
        for key, value in one.get("data", {}).items()
        if _SECRET.search(key) or re.search(r"://[^/@\s]+:[^/@\s]+@", value)
    ]
    found += [
        f"{name}: {variable['name']}"
        for name, one, _ in containers(objects)
        for variable in one.get("env", [])
        if _SECRET.search(variable["name"]) and "value" in variable
    ]
    return found


def unpinned_images(objects: tuple[Object, ...]) -> list[str]:
    """Images that name no version, or one that moves."""
    return [
        one["image"]
        for _, one, _ in containers(objects)
        if not re.fullmatch(r".+(:(?!latest$)[\w.-]*\d[\w.-]*|@sha256:[0-9a-f]{64})", one["image"])
    ]


def unlisted_images(objects: tuple[Object, ...]) -> list[str]:
    """Images that are neither ours nor in infra/images.txt, and so would not be mirrored."""
    ours = re.compile(rf"defectory/({'|'.join(SETS)}):[\w.-]+")
    return [
        one["image"]
        for _, one, _ in containers(objects)
        if one["image"] not in images() and not ours.fullmatch(one["image"])
    ]


def unmeasured(objects: tuple[Object, ...]) -> list[str]:
    """Containers without requests and limits, and long-running ones without probes."""
    found = []
    for name, pod in pods(objects):
        for one in pod["containers"] if not name.startswith("Job ") else []:
            found += [
                f"{name}: {one['name']}: {probe}"
                for probe in ("startupProbe", "readinessProbe", "livenessProbe")
                if probe not in one
            ]
    for name, one, _ in containers(objects):
        sizes = one.get("resources", {})
        found += [
            f"{name}: {kind} {resource}"
            for kind in ("requests", "limits")
            for resource in ("cpu", "memory", "ephemeral-storage")
            if resource not in sizes.get(kind, {})
        ]
    return found


def broad_rights(objects: tuple[Object, ...]) -> list[str]:
    """Rights on everything of a kind, on the whole cluster, or on secrets that are not named."""
    found = [
        f"{one['kind']} {one['metadata']['name']}"
        for one in objects
        if one["kind"] in ("ClusterRole", "ClusterRoleBinding")
    ]
    for one in objects:
        for rule in one.get("rules", []) if one["kind"] == "Role" else []:
            wild = any("*" in rule.get(part, []) for part in ("apiGroups", "resources", "verbs"))
            guarded = {"secrets", "configmaps"} & set(rule["resources"])
            if wild or (guarded and not rule.get("resourceNames")):
                found.append(f"Role {one['metadata']['name']}: {rule['resources']}")
    return found


def _break(change: Callable[[Object, Object], object]) -> tuple[Object, ...]:
    """The kind overlay with something wrong in the MLflow server."""
    objects = deepcopy(overlay("kind"))
    for one in objects:
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]["spec"]
            change(pod, pod["containers"][0])
    return objects


_HOST_PATH = {"name": "h", "hostPath": {"path": "/"}}
_PASSWORD = {"name": "MLFLOW_PASSWORD", "value": "x"}
_ROLE = {
    "kind": "Role",
    "metadata": {"name": "r"},
    "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
}
_KEY = {"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"URI": "postgresql://u:p@host/d"}}


@pytest.mark.parametrize(
    ("guard", "broken"),
    [
        (not_restricted, _break(lambda pod, one: pod.update(hostNetwork=True))),
        (not_restricted, _break(lambda pod, one: one.pop("securityContext"))),
        (not_restricted, _break(lambda pod, one: pod["securityContext"].update(runAsUser=0))),
        (not_restricted, _break(lambda pod, one: one["ports"][0].update(hostPort=80))),
        (foreign_volumes, _break(lambda pod, one: pod["volumes"].append(_HOST_PATH))),
        (contained_secrets, _break(lambda pod, one: one["env"].append(_PASSWORD))),
        (contained_secrets, (_KEY,)),
        (contained_secrets, ({"kind": "Secret", "metadata": {"name": "s"}},)),
        (unpinned_images, _break(lambda pod, one: one.update(image="defectory/data:latest"))),
        (unpinned_images, _break(lambda pod, one: one.update(image="defectory/data"))),
        (unlisted_images, _break(lambda pod, one: one.update(image="docker.io/library/redis:8.2"))),
        (unmeasured, _break(lambda pod, one: one["resources"]["limits"].pop("memory"))),
        (unmeasured, _break(lambda pod, one: one.pop("livenessProbe"))),
        (broad_rights, (_ROLE,)),
        (broad_rights, ({"kind": "ClusterRole", "metadata": {"name": "c"}},)),
    ],
)  # fmt: skip
def test_a_guard_finds_what_it_is_for(
    guard: Callable[[tuple[Object, ...]], list[str]], broken: tuple[Object, ...]
) -> None:
    assert len(guard(broken)) > 0


@pytest.mark.parametrize(
    "guard",
    [
        not_restricted, foreign_volumes, contained_secrets, unpinned_images, unlisted_images,
        unmeasured, broad_rights,
    ],
)  # fmt: skip
def test_every_rendering_passes(guard: Callable[[tuple[Object, ...]], list[str]]) -> None:
    bare = {f"overlay {name}" for name in WITHOUT_MLFLOW}
    assert bare < set(everything())
    for name, objects in everything().items():
        assert len(list(containers(objects))) >= (0 if name in bare else 2), name
        assert [one for one in objects if one["kind"] == "Role"], name
        assert [one for one in objects if one["kind"] == "ConfigMap"], name
        assert guard(objects) == [], name


def test_our_namespace_refuses_what_is_not_restricted_and_lets_nobody_in() -> None:
    rendered = everything()
    for without in WITHOUT_MLFLOW:
        del rendered[f"overlay {without}"]

    assert len(rendered) >= 12
    for name, objects in rendered.items():
        (namespace,) = [one for one in objects if one["kind"] == "Namespace"]
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        ours = namespace["metadata"]["name"]
        shut = [
            one["spec"]
            for one in objects
            if one["kind"] == "NetworkPolicy" and one["metadata"]["namespace"] == ours
            and one["spec"]["podSelector"] == {}
        ]  # fmt: skip
        assert shut == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}], name
        kinds = {one["kind"] for one in objects if one["metadata"].get("namespace") == ours}
        assert {"ResourceQuota", "LimitRange"} <= kinds, name


def test_the_list_of_images_is_that_of_the_versions() -> None:
    pinned = versions()
    listed = images()

    assert len(listed) == len(set(listed)) >= 20
    full = re.compile(r"[\w.-]+\.[a-z]+/[\w./-]+:[\w.-]+(@sha256:[0-9a-f]{64})?")
    assert [one for one in listed if not full.fullmatch(one)] == []
    kfp = [one for one in listed if one.startswith("ghcr.io/kubeflow/")]
    assert len(kfp) == 12
    assert {one.rpartition(":")[2] for one in kfp} == {pinned["KFP_VERSION"]}
    argo = [one for one in listed if "/argoproj/" in one]
    assert len(argo) == 2
    assert {one.rpartition(":")[2] for one in argo} == {pinned["ARGO_VERSION"]}
    assert {pinned["KIND_NODE"], pinned["MINIKUBE_NODE"]} <= set(listed)
    assert not [one for one in listed if ":latest" in one]


def test_nothing_under_infra_is_a_secret_or_moves() -> None:
    files = infra_files()

    assert len(files) >= 25
    for path in files:
        text = path.read_text()
        assert not re.search(r"image: \S*:latest|hostPath|BEGIN [A-Z ]*PRIVATE KEY", text), path
        assert not re.search(r"^kind: Secret$", text, re.MULTILINE), path
