"""What the compiled packages ask of a cluster, step by step."""

import re
from typing import Any

import pytest
from compiled import Package, Task

from components.image import repository
from pipelines import names
from pipelines.profiles import PROFILES, Profile, Resources

TRAININGS = ("dreambooth", "hypernetwork", "mask_rcnn", "judge")
UNCACHED = {"gate", "publication", "final_status"}
IMAGES = {
    "gate": "data",
    "placement": "data",
    "data_versioning": "data",
    "base_model": "data",
    "driver_extraction": "data",
    "plan": "data",
    "synthetic_set": "data",
    "iou_evaluation": "data",
    "report": "data",
    "publication": "data",
    "final_status": "data",
    "prior": "diffusion",
    "dreambooth": "diffusion",
    "hypernetwork": "diffusion",
    "synthesis": "diffusion",
    "mask_rcnn": "detection",
    "judge": "detection",
    "fid_evaluation": "detection",
}
FILES = {
    "base_model": "model",
    "mask_rcnn": "start",
    "judge": "start",
    "fid_evaluation": "inception",
}
"""Steps whose settings can name a file, and the gate's output with its content digest."""


def profile_of(package: Package) -> Profile:
    return PROFILES[package.path.stem]


def mebibytes(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]


def cores(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def selector(task: Task) -> object:
    return task.kubernetes.get("nodeSelector")


def test_every_step_of_the_table_is_there_and_no_other(package: Package) -> None:
    profile = profile_of(package)
    expected = set(profile.steps) - (set() if profile.pools else {"placement"})

    assert {task.step for task in package.tasks} == expected
    assert len(expected) >= 16


def test_every_container_is_a_task_with_its_share_of_the_platform(package: Package) -> None:
    used = {task.component["executorLabel"] for task in package.tasks}

    assert used == set(package.executors) == set(package.kubernetes)


def test_every_step_has_what_the_table_says(package: Package) -> None:
    profile = profile_of(package)
    looked_at = 0
    for task in package.tasks:
        wants: Resources = profile.steps[task.step]
        assert task.resources["resourceCpuRequest"] == wants.cpu.request
        assert task.resources["resourceCpuLimit"] == wants.cpu.limit
        assert task.resources["resourceMemoryRequest"] == wants.memory.request
        assert task.resources["resourceMemoryLimit"] == wants.memory.limit
        assert task.kubernetes["activeDeadlineSeconds"] == str(wants.timeout)
        assert task.spec["retryPolicy"]["maxRetryCount"] == wants.retries
        assert task.spec["retryPolicy"]["backoffDuration"] == f"{wants.backoff.seconds}s"
        assert task.spec["retryPolicy"]["backoffFactor"] == wants.backoff.factor
        looked_at += 1

    assert looked_at == len(package.executors)


def test_a_limit_is_never_below_its_request(package: Package) -> None:
    for task in package.tasks:
        asked = task.resources
        assert cores(asked["resourceCpuRequest"]) <= cores(asked["resourceCpuLimit"])
        assert mebibytes(asked["resourceMemoryRequest"]) <= mebibytes(asked["resourceMemoryLimit"])


def test_every_step_is_tried_again_for_as_long_as_its_tries_may_take(package: Package) -> None:
    for task in package.tasks:
        retry = task.spec["retryPolicy"]
        tries = retry["maxRetryCount"]
        first = int(retry["backoffDuration"].removesuffix("s"))
        factor = retry["backoffFactor"]
        waits = sum(first * factor**number for number in range(tries))
        longest = (tries + 1) * int(task.kubernetes["activeDeadlineSeconds"]) + waits

        assert tries >= 1, task.name
        assert factor == int(factor) >= 1, "Argo takes whole factors only"
        # Argo counts it from the start of the first try and stops retrying then.
        assert int(retry["backoffMaxDuration"].removesuffix("s")) > longest, task.name


def test_nothing_of_kind_needs_a_gpu_a_pool_or_more_than_a_laptop(kind: Package) -> None:
    for task in kind.tasks:
        assert "accelerator" not in task.resources
        assert selector(task) is None
        assert "tolerations" not in task.kubernetes
        assert cores(task.resources["resourceCpuRequest"]) <= 1
        assert mebibytes(task.resources["resourceMemoryLimit"]) <= 3 * 1024


MEASURED_GB = {
    "data_versioning": 0.8,
    "dreambooth": 1.2,
    "hypernetwork": 0.9,
    "synthesis": 0.85,
    "mask_rcnn": 1.5,
    "judge": 1.5,
    "iou_evaluation": 0.95,
    "fid_evaluation": 0.95,
    "report": 0.7,
}


@pytest.mark.parametrize("step", MEASURED_GB)
def test_kind_sets_aside_the_memory_that_the_step_was_measured_to_use(
    kind: Package, step: str
) -> None:
    for task in kind.of(step):
        asked = mebibytes(task.resources["resourceMemoryRequest"]) * 2**20 / 1e9
        allowed = mebibytes(task.resources["resourceMemoryLimit"]) * 2**20 / 1e9
        assert asked >= MEASURED_GB[step]
        assert allowed >= 1.5 * MEASURED_GB[step]


@pytest.mark.parametrize("step", [*TRAININGS, "prior", "synthesis"])
def test_gpu_gives_trainings_and_drawing_one_gpu_and_shared_memory(gpu: Package, step: str) -> None:
    for task in gpu.of(step):
        accelerator = task.resources["accelerator"]
        (mount,) = task.kubernetes["emptyDirMounts"]

        assert accelerator["resourceType"] == "nvidia.com/gpu"
        assert str(accelerator["resourceCount"]) == "1"
        assert mount["mountPath"] == "/dev/shm"  # noqa: S108
        assert mount["medium"] == "Memory"
        assert mebibytes(mount["sizeLimit"]) < mebibytes(task.resources["resourceMemoryLimit"])


def test_gpu_keeps_everything_else_off_the_gpus(gpu: Package) -> None:
    others = [task for task in gpu.tasks if "accelerator" not in task.resources]
    assert len(others) >= 8
    for task in others:
        assert selector(task) == {"labels": {names.POOL: "cpu"}}


def _source(package: Package, task: Task, value: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The task whose output a field reads, followed out of the loops, and the output's name."""
    if "taskOutputParameter" in value:
        output = value["taskOutputParameter"]
        made_by = dict(package.dags())[task.within]["tasks"][output["producerTask"]]
        return dict(made_by), output["outputParameterKey"]
    channel = value["componentInputParameter"]
    within = task.within
    while True:
        for outer, dag in package.dags():
            for spec in dag["tasks"].values():
                if spec["componentRef"]["name"] == within:
                    given = spec["inputs"]["parameters"][channel]
                    if output := given.get("taskOutputParameter"):
                        made_by = dag["tasks"][output["producerTask"]]
                        return dict(made_by), output["outputParameterKey"]
                    channel, within = given["componentInputParameter"], outer
                    break
            else:
                continue
            break
        else:
            raise AssertionError(f"{task.name}: {channel} comes from nowhere")


def _from_parameter(value: dict[str, object], name: str) -> bool:
    return str(value.get("componentInputParameter", "")).removeprefix("pipelinechannel--") == name


@pytest.mark.parametrize(
    ("steps", "pool", "spot"),
    [(TRAININGS, "training", False), (("prior", "synthesis"), "synthesis", True)],
)
def test_gpu_places_pods_by_the_run_s_parameters(
    gpu: Package, steps: tuple[str, ...], pool: str, spot: bool
) -> None:
    for step in steps:
        for task in gpu.of(step):
            chosen = task.kubernetes["nodeSelector"]["nodeSelectorJson"]
            (tolerated,) = task.kubernetes["tolerations"]
            for value in (chosen, tolerated["tolerationJson"]):
                source, _ = _source(gpu, task, value)
                given = source["inputs"]["parameters"]
                assert given["pool"]["runtimeValue"]["constant"] == pool
                assert _from_parameter(given["node_pool"], "node_pool")
                if spot:
                    assert _from_parameter(given["spot"], "spot")
                else:
                    assert given["spot"]["runtimeValue"]["constant"] is False


def test_steps_that_act_outside_the_pipeline_are_never_cached(package: Package) -> None:
    cached = {task.step for task in package.tasks if task.spec["cachingOptions"].get("enableCache")}
    uncached = {task.step for task in package.tasks} - cached

    assert uncached == UNCACHED
    assert len(cached) >= 14


def test_every_step_runs_in_the_image_of_its_packages(package: Package) -> None:
    found = {
        task.step: repository(task.container["image"]).rpartition("/")[2] for task in package.tasks
    }

    assert found == {step: IMAGES[step] for step in found}
    assert found.keys() | {"placement"} == IMAGES.keys()


def test_files_that_settings_name_enter_the_cache_by_their_content(package: Package) -> None:
    """KFP knows a cached task by its parameters, and a path says nothing of what is there."""
    for step, output in FILES.items():
        for task in package.of(step):
            source, key = _source(package, task, task.spec["inputs"]["parameters"]["digest"])
            assert source["taskInfo"] == {"name": "gate"}
            assert key == output


def test_every_step_that_computes_finds_the_store(package: Package) -> None:
    looked_at = 0
    for task in package.tasks:
        if task.step == "placement":
            assert "pvcMount" not in task.kubernetes
            continue
        (mount,) = task.kubernetes["pvcMount"]
        environment = {one["name"]: one["value"] for one in task.container["env"]}

        assert mount["pvcNameParameter"]["runtimeValue"]["constant"] == "defectory-store"
        assert mount["mountPath"] == "/store" == environment["DEFECTORY_STORE"]
        looked_at += 1

    assert looked_at >= 16


def test_pods_are_labelled_and_cannot_be_root(package: Package) -> None:
    for task in package.tasks:
        labels = task.kubernetes["podMetadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "defectory"
        assert labels["app.kubernetes.io/name"] == "defectory"
        assert task.kubernetes["securityContext"] == {"runAsNonRoot": True}
        assert task.kubernetes["imagePullPolicy"] == "IfNotPresent"


def test_an_unknown_step_is_refused_with_its_name() -> None:
    with pytest.raises(ValueError, match=r"'polish'.*profiles\.py"):
        PROFILES["kind"].apply(None, "polish", {})
