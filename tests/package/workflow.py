"""How large the object grows in which Argo keeps a run of a package on Kubeflow Pipelines 2.17.

KFP gives every task a pod that resolves its inputs (its driver) and one that works. Argo keeps the
inputs and outputs of every node, and KFP's manifests put a node with retries around each. What is
larger than 1 MiB it compresses; a run whose object is still larger then ends with an error.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from compiled import Package

LIMIT = 1 << 20
NAME = "defectory-valvano-kind-x7k2p"
_RUN = "3f2a1b2c-1111-4222-8333-0123456789ab"
_COLLECTED = {"networks": "regimes", "parts": "shards"}
_BESIDES = 40_000
"""What the templates hold besides the tasks."""


def workflow_size(package: Package, times: Mapping[str, int]) -> int:
    """Bytes of the workflow of a run whose steps have all been done, at the first try each.

    Args:
        package: The package.
        times: How often the body of each loop is done, by the loop's name.
    """
    nodes = _Nodes(package, times)
    nodes.dag(nodes.retried(NAME, "DAG", {}), package.spec["root"]["dag"])
    text = json.dumps(dict(sorted(nodes.found.items())), separators=(",", ":"))
    return _spec_size(package) + len(base64.b64encode(gzip.compress(text.encode(), 6)))


def _spec_size(package: Package) -> int:
    arguments = [package.spec["components"], package.executors, package.kubernetes]
    tasks = [task for _, dag in package.dags() for task in dag["tasks"].values()]
    parts = [*arguments, package.spec["root"], *tasks]
    return sum(len(json.dumps(_json(one))) for one in parts) + _BESIDES


@dataclass
class _Nodes:
    package: Package
    times: Mapping[str, int]
    found: dict[str, Any] = field(default_factory=dict)

    def dag(self, above: str, dag: Mapping[str, Any]) -> None:
        components = self.package.spec["components"]
        for name, task in dag["tasks"].items():
            component = components[task["componentRef"]["name"]]
            if "dag" not in component:
                self._container(f"{above}.{name}", task, component)
            elif "parameterIterator" not in task:
                self._driver(f"{above}.{name}-driver", task, component)
                self.dag(self._inner(f"{above}.{name}"), component["dag"])
            else:
                loop = self._inner(f"{above}.{name}")
                self._driver(f"{loop}.iteration-driver", task, component)
                for number in range(self.times[task["taskInfo"]["name"]]):
                    one = self._inner(f"{loop}.iteration-iterations({number}:{number})")
                    self._driver(f"{one}.iteration-item-driver", task, component)
                    self.dag(self._inner(f"{one}.iteration-item"), component["dag"])

    def retried(self, name: str, kind: str, inputs: Mapping[str, str], output: str = "") -> str:
        self._add(name, "Retry", inputs, output)
        self._add(f"{name}(0)", kind, inputs, output)
        return f"{name}(0)"

    def _inner(self, name: str) -> str:
        return self.retried(name, "DAG", {"parent-dag-id": "3", "iteration-index": "0"})

    def _driver(self, name: str, task: Any, component: Any, output: str = "", **more: str) -> None:
        inputs = {"component": _json(component), "task": _json(task), "task-name": name}
        self.retried(name, "Pod", inputs | more, output)

    def _container(self, name: str, task: Any, component: Any) -> None:
        label = component["executorLabel"]
        container = self.package.executors[label]["container"]
        kubernetes = self.package.kubernetes.get(label, {})
        patch = _json(_pod(task, component, container, kubernetes, self._artifacts(task)))
        self._driver(
            f"{name}-driver", task, component, patch,
            container=_json(container), kubernetes_config=_json(kubernetes),
        )  # fmt: skip
        labels = kubernetes["podMetadata"]["labels"]
        inputs = {"pod-spec-patch": patch, **labels, **dict.fromkeys(labels.values(), "label")}
        self.retried(f"{self.retried(name, 'DAG', inputs)}.executor", "Pod", inputs)

    def _artifacts(self, task: Any) -> Iterator[tuple[str, int]]:
        for name, about in task.get("inputs", {}).get("artifacts", {}).items():
            producer = about.get("taskOutputArtifact", {}).get("producerTask", "")
            collected = self.times[_COLLECTED.get(name, "fractions")]
            yield name, collected if producer.startswith("for-loop") else 1

    def _add(self, name: str, kind: str, inputs: Mapping[str, str], output: str) -> None:
        identity = f"{NAME}-{_hash(name)}"
        self.found[identity] = {
            "id": identity, "name": name, "displayName": name.rpartition(".")[2], "type": kind,
            "templateName": "metadata-0-4-retry-system-container-impl", "phase": "Succeeded",
            "templateScope": f"local/{NAME}", "boundaryID": f"{NAME}-{_hash(name[:-4])}",
            "startedAt": "2026-11-01T10:00:00Z", "finishedAt": "2026-11-01T10:20:31Z",
            "progress": "3/3", "children": [f"{NAME}-{_hash(name + '(0)')}"],
            "resourcesDuration": {"cpu": _hash(name) % 9999, "memory": _hash(name) % 99999},
            "inputs": {"parameters": [{"name": k, "value": v} for k, v in inputs.items()]},
            "outputs": {"exitCode": "0", "parameters": [{"name": "patch", "value": output}]},
            "hostNodeName": f"training-pool-{_hash(name) % 64}", "nodeFlag": {"retried": True},
        }  # fmt: skip


def _pod(task: Any, component: Any, container: Any, kubernetes: Any, artifacts: Any) -> Any:
    def uri(name: str) -> str:
        salt = "".join(f"{_hash(f'{task}{name}{i}'):08x}" for i in range(4))
        return f"minio://mlpipeline/v2/artifacts/{NAME}/{_RUN}/{name}/{salt}/{name}"

    values = {
        name: value.get("runtimeValue", {}).get("constant", "2026-11")
        for name, value in task.get("inputs", {}).get("parameters", {}).items()
    }
    inputs = {
        name: [{"name": str(_hash(uri(name)) % 9999), "uri": uri(f"{name}{i}")} for i in range(n)]
        for name, n in artifacts
    }
    made = component.get("outputDefinitions", {})
    outputs = {name: {"uri": uri(name)} for kind in made.values() for name in kind}
    given = _json({"parameterValues": values, "artifacts": inputs, "outputs": outputs})
    environment = [
        {"name": one["envVar"], "valueFrom": {"secretKeyRef": {"key": one["envVar"], **source}}}
        for kind in ("secretAsEnv", "configMapAsEnv")
        for many in kubernetes.get(kind, [])
        for source in [{"name": "defectory", "optional": True}]
        for one in many["keyToEnv"]
    ]
    services = [f"--option_{i} some-service.kubeflow.svc.cluster.local" for i in range(6)]
    launcher = [
        "/kfp-launcher/launch", "--pipeline_name", NAME, "--run_id", _RUN, "--executor_input",
        given, "--component_spec", _json(component), *services,
    ]  # fmt: skip
    return {
        "command": launcher, "args": [*container["command"], *container["args"]],
        "image": container["image"], "env": [*container.get("env", []), *environment],
        "resources": container["resources"], "volumes": kubernetes.get("pvcMount", []) * 2,
        "tolerations": kubernetes.get("tolerations", []) * 2,
    }  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _hash(text: str) -> int:
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value
