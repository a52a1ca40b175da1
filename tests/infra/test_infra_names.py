"""The cluster has what the compiled package names."""

import re
from ipaddress import ip_address, ip_network

import pytest
import yaml
from infra_manifests import (
    INFRA,
    OVERLAYS,
    WITH_MLFLOW,
    WITHOUT_MLFLOW,
    everything,
    named,
    overlay,
)

from components.placement.place import POOL, place
from pipelines import names
from pipelines.profiles import PROFILES

_OF = "defectory.dev/namespace"


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_a_pod_of_a_run_names_is_in_its_namespace(name: str) -> None:
    objects = overlay(name)

    for kind, wanted in (
        ("ServiceAccount", names.SERVICE_ACCOUNT),
        ("PersistentVolumeClaim", names.STORE_CLAIM),
        ("ConfigMap", names.CONFIG_MAP),
    ):
        assert named(objects, kind, wanted)["metadata"]["namespace"] == names.NAMESPACE
    settings = named(objects, "ConfigMap", names.CONFIG_MAP)["data"]
    assert settings
    assert set(settings) <= set(names.CONFIG_KEYS)
    if name in WITH_MLFLOW:
        assert f"mlflow.{names.OWN_NAMESPACE}.svc:" in settings["MLFLOW_TRACKING_URI"]
        assert named(objects, "Namespace", names.OWN_NAMESPACE)
    else:
        # Where an MLflow is already, its address is the site's to say.
        assert "MLFLOW_TRACKING_URI" not in settings
        places = {(one["metadata"].get("namespace"), one["kind"]) for one in objects}
        assert {place for place, kind in places if kind != "PriorityClass"} == {names.NAMESPACE}


def test_what_is_in_kfps_namespace_says_whether_it_is_of_the_runs_or_of_kfp() -> None:
    found = {
        (one["kind"], one["metadata"]["name"], one["metadata"]["labels"].get(_OF))
        for objects in everything().values()
        for one in objects
        if one["metadata"].get("namespace") == names.NAMESPACE
    }

    assert {(kind, name) for kind, name, of in found if of == "kfp"} == {
        ("Service", "defectory-ui"),
        ("NetworkPolicy", "defectory-mlflow-object-store"),
    }
    assert {of for _, _, of in found} == {"kfp", "runs"}


def test_everything_says_whose_part_it_is() -> None:
    for name, objects in everything().items():
        parts = {
            one["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") for one in objects
        }
        assert parts == {names.PART_OF}, name


@pytest.mark.parametrize("name", ["gpu", "gpu-existing"])
def test_the_gpu_overlays_have_the_priority_and_the_accelerators_of_the_profile(name: str) -> None:
    objects = overlay(name)

    # KFP has none for a step, so there is one for all: the README says how it is given.
    priorities = [one["metadata"]["name"] for one in objects if one["kind"] == "PriorityClass"]
    assert priorities == ["defectory-training"]
    assert f'{{"podPriorityClassName": "{priorities[0]}"}}' in (INFRA / "README.md").read_text()
    wanted = {one.accelerator.resource for one in PROFILES["gpu"].steps.values() if one.accelerator}
    quota = named(objects, "ResourceQuota", "defectory-accelerators")
    assert quota["metadata"]["namespace"] == names.NAMESPACE
    assert {key.removeprefix("requests.") for key in quota["spec"]["hard"]} == wanted == {names.GPU}


def test_where_mlflow_is_already_the_pools_have_the_same_as_with_ours() -> None:
    with_ours, without = overlay("gpu"), overlay("gpu-existing")

    for kind, one in (
        ("PersistentVolumeClaim", names.STORE_CLAIM),
        ("ResourceQuota", "defectory-accelerators"),
        ("PriorityClass", "defectory-training"),
    ):
        assert named(without, kind, one) == named(with_ours, kind, one)
    # And else what `existing` has.
    pools = yaml.safe_load((INFRA / "components/node-pools/kustomization.yaml").read_text())
    assert len(without) == len(overlay("existing")) + len(pools["resources"])
    assert set(WITHOUT_MLFLOW) < set(OVERLAYS)


def test_pools_of_many_nodes_share_one_store() -> None:
    assert len({one.pool for one in PROFILES["gpu"].steps.values()}) > 1
    classes = {}
    for name in ("gpu", "gpu-gke", "gpu-eks"):
        claim = named(overlay(name), "PersistentVolumeClaim", names.STORE_CLAIM)["spec"]
        assert claim["accessModes"] == ["ReadWriteMany"]
        classes[name] = claim["storageClassName"]
    assert len(set(classes.values())) == 3


def test_clouds_differ_by_values_and_by_one_object() -> None:
    for name, own in (("gpu-gke", "defectory-store"), ("gpu-eks", "mlflow-pod-identity")):
        more = [one["metadata"]["name"] for one in overlay(name) if one not in overlay("gpu")]
        less = [one["metadata"]["name"] for one in overlay("gpu") if one not in overlay(name)]
        assert less == [names.STORE_CLAIM]
        assert sorted(more) == sorted([names.STORE_CLAIM, own])


def test_on_gke_the_store_is_opened_for_the_group_that_steps_are_in() -> None:
    job = named(overlay("gpu-gke"), "Job", "defectory-store")
    pod = job["spec"]["template"]["spec"]
    (opens,), (tries,) = pod["initContainers"], pod["containers"]

    # images/*.Dockerfile: steps run as 65532:0.
    assert pod["securityContext"]["runAsGroup"] == 0
    assert [one["securityContext"]["runAsUser"] for one in (opens, tries)] == [0, 65532]
    assert [one["command"][-1] for one in (opens, tries)] == [
        one["volumeMounts"][0]["mountPath"] for one in (opens, tries)
    ]
    assert [one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"]] == [
        names.STORE_CLAIM
    ]
    step = place("cpu", spot=False)
    assert pod["nodeSelector"] == step.selector
    assert [one for one in step.tolerations if one["key"] == POOL] == [
        {"operator": "Equal", **one} for one in pod["tolerations"]
    ]


def test_on_eks_mlflow_reaches_the_agent_that_has_its_key_and_nothing_else_by_it() -> None:
    policy = named(overlay("gpu-eks"), "NetworkPolicy", "mlflow-pod-identity")

    assert policy["metadata"]["namespace"] == names.OWN_NAMESPACE
    assert policy["spec"] == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "mlflow"}},
        "policyTypes": ["Egress"],
        "egress": [
            {
                # The addresses of EKS Pod Identity, the same on every node.
                "to": [
                    {"ipBlock": {"cidr": "169.254.170.23/32"}},
                    {"ipBlock": {"cidr": "fd00:ec2::23/128"}},
                ],
                "ports": [{"port": 80}],
            }
        ],
    }


def test_a_pod_of_a_run_reads_the_key_of_the_artifacts_and_no_other_secret() -> None:
    for name in OVERLAYS:
        rules = named(overlay(name), "Role", names.SERVICE_ACCOUNT)["rules"]
        allowed = {
            (resource, verb, one)
            for rule in rules
            for resource in rule["resources"]
            for verb in rule["verbs"]
            for one in rule.get("resourceNames", [""])
        }
        # What KFP 2.17's driver and launcher and Argo 4.0's executor ask the API server for.
        assert allowed == {
            ("workflowtaskresults", "create", ""),
            ("workflowtaskresults", "patch", ""),
            ("pods", "get", ""),
            ("configmaps", "get", "kfp-launcher"),
            ("secrets", "get", "mlpipeline-minio-artifact"),
        }
        binding = named(overlay(name), "RoleBinding", names.SERVICE_ACCOUNT)
        assert binding["subjects"] == [
            {
                "kind": "ServiceAccount",
                "name": names.SERVICE_ACCOUNT,
                "namespace": names.NAMESPACE,
            }
        ]


def test_nobody_calls_a_step() -> None:
    policy = named(overlay("kind"), "NetworkPolicy", "defectory-steps")

    assert policy["metadata"]["namespace"] == names.NAMESPACE
    # pipelines/profiles.py gives every step's pod this label.
    assert policy["spec"] == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": names.PART_OF}},
        "policyTypes": ["Ingress"],
    }


@pytest.mark.parametrize("cluster", ["kind", "minikube"])
def test_a_browser_of_this_machine_reaches_mlflow_and_other_pods_do_not(cluster: str) -> None:
    rules = named(overlay(cluster), "NetworkPolicy", "mlflow")["spec"]["ingress"]
    blocks = [source["ipBlock"] for rule in rules for source in rule["from"] if "ipBlock" in source]

    def lets_in(address: str) -> bool:
        one = ip_address(address)
        return any(
            one in ip_network(block["cidr"])
            and not any(one in ip_network(part) for part in block.get("except", []))
            for block in blocks
        )

    # Gateways of Docker's networks: as it comes, minikube's, and where a company set other ones.
    gateways = ("172.18.0.1", "192.168.49.1", "10.200.3.1", "10.244.0.1")
    assert [one for one in gateways if not lets_in(one)] == []
    # Both clusters' pods are in 10.244.0.0/16.
    pods = ("10.244.0.2", "10.244.3.17", "8.8.8.8")
    assert [one for one in pods if lets_in(one)] == []


def test_a_site_can_set_every_key_that_steps_read() -> None:
    text = (INFRA / "lib" / "settings.sh").read_text()
    (keys,) = re.findall(r"^pod_keys='([^']+)'$", text, re.MULTILINE)

    assert tuple(keys.split("|")) == names.CONFIG_KEYS


def test_what_removal_names_is_all_that_there_is() -> None:
    text = (INFRA / "README.md").read_text()
    (kinds,) = re.findall(r"kubectl -n kubeflow delete ([a-z]+,[a-z,]+) ", text)
    named_there = {one.removesuffix("s") for one in kinds.split(",")}
    looked_at = 0
    for name, objects in everything().items():
        for one in objects:
            space, kind = one["metadata"].get("namespace"), one["kind"].lower()
            labels = one["metadata"].get("labels", {})
            if space == "kubeflow":
                assert labels.get("app.kubernetes.io/part-of") == "defectory", f"{name}: {kind}"
                assert {"persistentvolumeclaim": "pvc"}.get(kind, kind) in named_there, name
                looked_at += 1
            else:
                assert space == "defectory" or kind in ("namespace", "priorityclass"), name

    assert looked_at >= 20
