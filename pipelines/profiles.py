"""What every step asks of a cluster: one table a profile.

`kind` fits a laptop: everything on CPU, memory from what the preset `quickstart` was measured to
use. `gpu` is for Stable Diffusion 1.5 at 512 px: a pool with a large GPU a node for the trainings,
a pool of many small GPUs, spot nodes allowed, for the drawing, and a pool without for the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from components.given import variable
from components.task import RUN, STORE
from pipelines import names

MINUTE = 60
HOUR = 3600

LABELS = tuple(
    f"app.kubernetes.io/{label}" for label in ("name", "component", "part-of", "version")
)
"""Labels of every pod of a step."""

_PATIENCE = "30d"
"""From the first try to the last. KFP calls it the backoff's maximum, but Argo stops retrying, and
ends the try that runs, when so much time has passed since the first try began; the default, an
hour, would end every long training that was interrupted once."""


@dataclass(frozen=True)
class Span:
    """What the scheduler sets aside, and what the kernel allows.

    Attributes:
        request: Kubernetes quantity, as `500m` or `2Gi`; whole numbers only.
        limit: Likewise.
    """

    request: str
    limit: str


@dataclass(frozen=True)
class Accelerator:
    """What a device plugin offers.

    Attributes:
        resource: Name of the resource.
        count: How many.
    """

    resource: str = names.GPU
    count: int = 1


@dataclass(frozen=True)
class Backoff:
    """How long to wait before the next try.

    Attributes:
        seconds: Before the second try.
        factor: Every further wait is so many times the one before; Argo takes whole numbers only.
    """

    seconds: int
    factor: int


@dataclass(frozen=True)
class Resources:
    """What one step asks for.

    Attributes:
        cpu: Cores.
        memory: Memory, with what lies in the shared memory.
        timeout: The longest that one try may take, seconds.
        retries: Tries after the first that failed.
        backoff: The waits between them.
        accelerator: None computes on CPU.
        pool: Nodes to run on; empty for any.
        spot: Whether the step may run on nodes that are taken away at any time, when the run's
            parameter `spot` allows it too.
        shared_memory: Size of /dev/shm; empty leaves the container's own, 64 MiB.
    """

    cpu: Span
    memory: Span
    timeout: int
    retries: int
    backoff: Backoff
    accelerator: Accelerator | None = None
    pool: str = ""
    spot: bool = False
    shared_memory: str = ""


@dataclass(frozen=True)
class Profile:
    """What all steps ask of one kind of cluster.

    Attributes:
        name: As in `defectory compile --profile`.
        preset: The configuration that its numbers were made for, and the default of `compile`.
        steps: Every step's resources.
    """

    name: str
    preset: str
    steps: Mapping[str, Resources]

    @property
    def pools(self) -> tuple[str, ...]:
        """Pools that the parameters `node_pool` and `spot` speak of: those with accelerators."""
        found = {one.pool for one in self.steps.values() if one.pool and one.accelerator}
        return tuple(sorted(found))

    def place(self, node_pool: Any, spot: Any) -> dict[tuple[str, bool], Any]:
        """Add the tasks that turn a run's parameters into node selectors and tolerations.

        To be called once, inside the pipeline.

        Args:
            node_pool: The pipeline's parameter `node_pool`: the pool of all steps that have an
                accelerator; empty for the profile's own.
            spot: The pipeline's parameter `spot`.

        Returns:
            The tasks by pool and by whether spot nodes may do, for `apply`.
        """
        from components.placement.component import placement

        wanted = {
            (one.pool, one.spot) for one in self.steps.values() if one.pool and one.accelerator
        }
        tasks = {}
        for pool, may_be_spot in sorted(wanted):
            task = placement(pool=pool, node_pool=node_pool, spot=spot if may_be_spot else False)
            task.set_display_name(f"placement {pool}{' spot' if may_be_spot else ''}")
            self.apply(task, "placement", {})
            tasks[pool, may_be_spot] = task
        return tasks

    def apply(self, task: Any, step: str, places: Mapping[tuple[str, bool], Any]) -> None:
        """Give a task of a pipeline what its step needs on a cluster.

        Args:
            task: The KFP task.
            step: Name of the step, a key of the table.
            places: What `place` returned.

        Raises:
            ValueError: If the table has no such step.
        """
        if step not in self.steps:
            raise ValueError(
                f"the profile {self.name} says nothing about the step {step!r}; "
                "add it to pipelines/profiles.py"
            )
        wants = self.steps[step]
        _limit(task, wants)
        _schedule(task, wants, places)
        _connect(task, step)


def _limit(task: Any, wants: Resources) -> None:
    from kfp import kubernetes

    task.set_cpu_request(wants.cpu.request).set_cpu_limit(wants.cpu.limit)
    task.set_memory_request(wants.memory.request).set_memory_limit(wants.memory.limit)
    if wants.accelerator is not None:
        task.set_accelerator_type(wants.accelerator.resource)
        task.set_accelerator_limit(wants.accelerator.count)
    if wants.shared_memory:
        kubernetes.empty_dir_mount(
            task,
            "shared-memory",
            "/dev/shm",  # noqa: S108
            medium="Memory",
            size_limit=wants.shared_memory,
        )
    kubernetes.set_timeout(task, wants.timeout)
    task.set_retry(
        wants.retries,
        backoff_duration=f"{wants.backoff.seconds}s",
        backoff_factor=float(wants.backoff.factor),
        backoff_max_duration=_PATIENCE,
    )


def _schedule(task: Any, wants: Resources, places: Mapping[tuple[str, bool], Any]) -> None:
    from kfp import kubernetes

    from components.placement.place import place

    if (wants.pool, wants.spot) in places:
        chosen = places[wants.pool, wants.spot].outputs
        kubernetes.add_node_selector_json(task, chosen["selector"])
        kubernetes.add_toleration_json(task, chosen["tolerations"])
    elif wants.pool:
        fixed = place(wants.pool, spot=False)
        for label, value in fixed.selector.items():
            kubernetes.add_node_selector(task, label, value)
        kubernetes.add_toleration_json(task, fixed.tolerations)


def _connect(task: Any, step: str) -> None:
    from kfp import kubernetes

    kubernetes.set_image_pull_policy(task, "IfNotPresent")
    kubernetes.set_security_context(task, run_as_non_root=True)
    values = ("defectory", step, names.PART_OF, version("defectory"))
    for label, value in zip(LABELS, values, strict=True):
        kubernetes.add_pod_label(task, label, value)
    if step in _ALONE:
        return
    kubernetes.mount_pvc(task, names.STORE_CLAIM, names.STORE_MOUNT)
    task.set_env_variable(STORE, names.STORE_MOUNT)
    # Not a parameter, which would be part of the cache's key.
    kubernetes.use_field_path_as_env(task, RUN, "metadata.labels['pipeline/runid']")
    kubernetes.use_config_map_as_env(
        task, names.CONFIG_MAP, {key: variable(key) for key in names.CONFIG_KEYS}, optional=True
    )
    secrets = _SECRETS_OF.get(step, (names.MLFLOW_ACCESS,))
    if names.DATA_ACCESS in secrets:
        task.set_env_variable("GIT_ASKPASS", names.ASKPASS)
    for secret in secrets:
        kubernetes.use_secret_as_env(
            task, secret, {key: variable(key) for key in names.SECRETS[secret]}, optional=True
        )


_ALONE = frozenset({"placement"})
"""Steps that turn parameters into parameters and touch nothing else."""

_SECRETS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gate": (names.MLFLOW_ACCESS, names.DATA_ACCESS),
        "data_versioning": (names.MLFLOW_ACCESS, names.DATA_ACCESS),
        "base_model": (names.MLFLOW_ACCESS, names.DATA_ACCESS),
        "final_status": (names.MLFLOW_ACCESS, names.WEBHOOK_ACCESS),
    }
)
"""Who gets more than MLflow's credentials."""

_TINY = Resources(
    cpu=Span("100m", "1"),
    memory=Span("256Mi", "512Mi"),
    timeout=10 * MINUTE,
    retries=3,
    backoff=Backoff(10, 2),
)
_SMALL = Resources(
    cpu=Span("500m", "2"),
    memory=Span("1Gi", "2Gi"),
    timeout=HOUR,
    retries=3,
    backoff=Backoff(15, 2),
)
_SMALL_TRAINING = replace(
    _SMALL, cpu=Span("1", "2"), memory=Span("1536Mi", "3Gi"), timeout=4 * HOUR,
    shared_memory="256Mi",
)  # fmt: skip

KIND = Profile(
    name="kind",
    preset="quickstart",
    steps=MappingProxyType(
        {
            "placement": _TINY,
            "gate": _SMALL,
            "data_versioning": _SMALL,
            "base_model": _SMALL,
            "driver_extraction": _SMALL,
            "prior": _SMALL,
            "judge": _SMALL_TRAINING,
            "dreambooth": _SMALL_TRAINING,
            "hypernetwork": _SMALL_TRAINING,
            "plan": _SMALL,
            "synthesis": _SMALL,
            "synthetic_set": _SMALL,
            "mask_rcnn": _SMALL_TRAINING,
            "iou_evaluation": _SMALL,
            "fid_evaluation": _SMALL,
            "report": _SMALL,
            "publication": _SMALL,
            "final_status": _SMALL,
        }
    ),
)

_LIGHT = replace(_SMALL, memory=Span("2Gi", "4Gi"), pool="cpu")
_ON_CPU = Resources(
    cpu=Span("2", "8"),
    memory=Span("8Gi", "16Gi"),
    timeout=6 * HOUR,
    retries=3,
    backoff=Backoff(30, 2),
    pool="cpu",
)
_TRAINING = Resources(
    cpu=Span("4", "8"),
    memory=Span("24Gi", "32Gi"),
    accelerator=Accelerator(),
    pool="training",
    timeout=24 * HOUR,
    retries=5,
    backoff=Backoff(30, 2),
    shared_memory="8Gi",
)
# A node may be taken away any number of times, and a try continues what the one before has drawn,
# so tries are many and the waits do not grow.
_DRAWING = Resources(
    cpu=Span("2", "4"),
    memory=Span("12Gi", "16Gi"),
    accelerator=Accelerator(),
    pool="synthesis",
    spot=True,
    timeout=12 * HOUR,
    retries=20,
    backoff=Backoff(60, 1),
    shared_memory="2Gi",
)

GPU = Profile(
    name="gpu",
    preset="paper",
    steps=MappingProxyType(
        {
            "placement": replace(_TINY, pool="cpu"),
            "gate": _LIGHT,
            "data_versioning": _ON_CPU,
            "base_model": _ON_CPU,
            "driver_extraction": _ON_CPU,
            "prior": _DRAWING,
            "judge": _TRAINING,
            "dreambooth": _TRAINING,
            "hypernetwork": _TRAINING,
            "plan": _ON_CPU,
            "synthesis": _DRAWING,
            "synthetic_set": _ON_CPU,
            "mask_rcnn": _TRAINING,
            "iou_evaluation": _ON_CPU,
            "fid_evaluation": replace(_ON_CPU, memory=Span("12Gi", "24Gi"), timeout=12 * HOUR),
            "report": _ON_CPU,
            "publication": _LIGHT,
            "final_status": _LIGHT,
        }
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({"kind": KIND, "gpu": GPU})
