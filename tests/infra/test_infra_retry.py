"""Which failures Argo tries again, once `infra/kfp/retry` has been over KFP's manifests."""

import re
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from infra_manifests import INFRA, Object

# The part of KFP 2.17's config map that matters, as kubectl writes it.
_DEFAULTS = """\
apiVersion: v1
data:
  artifactRepository: |
    archiveLogs: true
  workflowDefaults: |
    spec:
      ttlStrategy:
        secondsAfterCompletion: 3600
      templateDefaults:
        retryStrategy:
          limit: '2'
          retryPolicy: OnError
kind: ConfigMap
metadata:
  annotations:
    last: '{"data":{"workflowDefaults":"retryPolicy: OnError\\n"}}'
  name: workflow-controller-configmap
"""
_AFTER = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: argo\n"


def _patched(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(INFRA / "kfp" / "retry")], input=text, capture_output=True, text=True, check=False
    )


def _spec(text: str) -> Object:
    config = next(yaml.safe_load_all(text))
    spec: Object = yaml.safe_load(config["data"]["workflowDefaults"])["spec"]
    return spec


@pytest.fixture(scope="module")
def strategy() -> Object:
    """The default retries after the patch."""
    done = _patched(_DEFAULTS)
    assert done.returncode == 0, done.stderr
    found: Object = _spec(done.stdout)["templateDefaults"]["retryStrategy"]
    return found


def test_nothing_but_the_retries_changes() -> None:
    before, after = _DEFAULTS + _AFTER, _patched(_DEFAULTS + _AFTER).stdout

    changed = _spec(after)
    expected = _spec(before)
    strategy = changed["templateDefaults"]["retryStrategy"]
    assert strategy.pop("expression")
    assert strategy.pop("retryPolicy") == "Always"
    assert expected["templateDefaults"]["retryStrategy"].pop("retryPolicy") == "OnError"
    assert changed == expected
    assert strategy == {"limit": "2"}
    left, right = (list(yaml.safe_load_all(one)) for one in (before, after))
    for one in (left, right):
        del one[0]["data"]["workflowDefaults"]
    assert left == right
    assert len(right) == 2


@pytest.mark.parametrize("text", [_AFTER, _DEFAULTS + "---\n" + _DEFAULTS, ""])
def test_manifests_without_exactly_one_such_default_are_refused(text: str) -> None:
    done = _patched(text)

    assert done.returncode == 1
    assert done.stdout == ""
    assert "not 1" in done.stderr


def test_a_second_time_is_refused() -> None:
    done = _patched(_patched(_DEFAULTS).stdout)

    assert done.returncode == 1
    assert "changed already" in done.stderr


def again(strategy: Object, phase: str, code: str, message: str) -> bool:
    """What Argo's language makes of the expression, of which only `matches` is not Python's too."""
    expression = strategy["expression"]
    translated, several = re.subn(r'([\w.]+) matches ("[^"]*")', r"re.search(\2, \1)", expression)
    assert several == 3
    last = SimpleNamespace(status=phase, exitCode=code, message=message)
    found: Any = eval(translated, {"re": re, "lastRetry": last})  # noqa: S307
    return bool(found)


@pytest.mark.parametrize(
    ("phase", "code", "message"),
    [
        ("Error", "-1", "pod deleted"),
        ("Error", "0", "wait: Error (exit code 1)"),
        ("Error", "-1", "Pod failed before main container starts due to ErrImagePull: x"),
        # Drained, preempted by the scheduler, deleted by hand: the launcher gets SIGTERM.
        ("Failed", "143", "main: Error (exit code 143)"),
        ("Failed", "137", "main: Error (exit code 137)"),
        ("Failed", "137", "main: ContainerStatusUnknown (exit code 137): could not be located"),
        # The container runtime's words for a program that never ran.
        ("Failed", "128", "main: StartError (exit code 128): OCI runtime create failed: x"),
        # The kubelet's own words.
        ("Failed", "137", "The node was low on resource: memory. Threshold quantity: 100Mi. "),
        ("Failed", "-1", "The node had condition: [DiskPressure]. "),
        ("Failed", "-1", "Pod was rejected: Allocate failed due to no healthy devices present"),
        ("Failed", "143", "Pod was terminated in response to imminent node shutdown."),
        ("Failed", "137", "Preempted in order to admit critical pod"),
        # A spot node that is gone leaves containers that never ended.
        ("Failed", "-1", "pod failed: neither main nor wait container completed successfully"),
        ("Failed", "-1", "can't find failed message for pod one namespace kubeflow"),
    ],
)
def test_a_lost_pod_is_tried_again(strategy: Object, phase: str, code: str, message: str) -> None:
    assert again(strategy, phase, code, message)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1", "main: Error (exit code 1)"),
        ("1", "main: Error (exit code 1): the pod was evicted (exit code 137), Preempted"),
        ("64", "main: Error (exit code 64)"),
        ("137", "main: OOMKilled (exit code 137)"),
        ("143", "Pod was active on the node longer than the specified deadline"),
        ("137", 'Usage of EmptyDir volume "shared-memory" exceeds the limit "2Gi". '),
        # Retries of the tasks around it, which have neither a code nor a text of their own.
        ("-1", ""),
        ("-1", "No more retries left"),
        ("-1", "retryStrategy.expression evaluated to false"),
    ],
)
def test_an_error_of_the_program_ends_its_step(strategy: Object, code: str, message: str) -> None:
    assert not again(strategy, "Failed", code, message)
