"""What is in a compiled package for people, and what must not be in it."""

import ast
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from compiled import PROJECT, Package, compile_package
from google.protobuf import json_format
from kfp import components
from kfp.kubernetes import kubernetes_executor_config_pb2

from components.data_versioning.askpass import CREDENTIALS
from components.given import PREFIX
from pipelines import names
from pipelines.package import overview
from pipelines.presets import preset
from pipelines.profiles import PROFILES

SCALARS = {"STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN"}
DRAWING = ("data_versioning", "base_model", "driver_extraction", "prior", "judge", "dreambooth",
           "hypernetwork", "plan", "synthesis", "synthetic_set", "mask_rcnn", "iou_evaluation",
           "fid_evaluation", "report")  # fmt: skip
"""Steps that leave pictures for people."""

HEAVY = ("torch", "torchvision", "diffusers", "transformers", "mlflow", "dvc", "cv2", "pandas",
         "matplotlib", "scipy", "numpy")  # fmt: skip


def test_parameters_are_flat_scalars_with_a_default_and_a_description(package: Package) -> None:
    assert len(package.parameters) >= 15
    for name, about in package.parameters.items():
        assert about["parameterType"] in SCALARS, name
        assert "defaultValue" in about, name
        assert len(about["description"]) > 10, name


def test_a_person_can_set_what_the_run_is_about(package: Package) -> None:
    config = preset(PROFILES[package.path.stem].preset)
    switches = [name for name in package.parameters if name.startswith("fraction_")]

    assert len(switches) == len(config.run.fractions)
    assert set(package.parameters) >= {
        "data", "revision", "noun", "dreambooth_steps", "hypernetwork_steps", "mask_rcnn_steps",
        "images", "samples", "shards", "seed",
    }  # fmt: skip
    assert package.parameters["shards"]["defaultValue"] == config.run.shards
    assert package.parameters["data"]["defaultValue"] == "data.dvc"


def test_every_parameter_reaches_a_step(package: Package) -> None:
    used = set(re.findall(r"componentInputParameter: (?:pipelinechannel--)?(\w+)", package.text))

    assert set(package.parameters) - used == set()


def test_pools_can_be_chosen_where_there_are_some(gpu: Package, kind: Package) -> None:
    choice = {"node_pool", "spot"}

    assert choice <= set(gpu.parameters)
    assert not choice & set(kind.parameters)
    assert not any(f"`{name}`" in overview(kind.path) for name in choice)


def test_every_step_says_in_one_paragraph_what_it_does(package: Package) -> None:
    looked_at = 0
    for task in package.tasks:
        module = ast.parse(task.program)
        (function,) = [one for one in module.body if isinstance(one, ast.FunctionDef)]
        said = ast.get_docstring(function) or ""

        assert len(said) > 20, task.name
        assert "\n\n" not in said, task.name
        looked_at += 1

    assert looked_at == len(package.executors)


def test_every_task_has_something_to_look_at_in_the_ui(package: Package) -> None:
    for task in package.tasks:
        made = task.component["outputDefinitions"].get("artifacts", {}).values()
        kinds = {one["artifactType"]["schemaTitle"] for one in made}

        assert kinds & {"system.HTML", "system.Markdown"}, task.name


def test_steps_that_draw_show_it_in_the_ui(package: Package) -> None:
    """A page has pictures, the UI's Markdown has none."""
    looked_at = 0
    for step in DRAWING:
        for task in package.of(step):
            made = task.component["outputDefinitions"]["artifacts"]
            assert made["page"]["artifactType"]["schemaTitle"] == "system.HTML", task.name
            looked_at += 1

    assert looked_at == len(DRAWING)


def test_programs_are_calls_into_the_package_of_the_image(package: Package) -> None:
    looked_at = 0
    for task in package.tasks:
        shell = task.container["command"][:-1]
        assert shell[0] == "sh"
        assert "pip" not in " ".join(shell)
        module = ast.parse(task.program)
        (function,) = [one for one in module.body if isinstance(one, ast.FunctionDef)]
        imported = {
            name.split(".")[0]
            for node in ast.walk(function)
            for name in _imported(node)
        }  # fmt: skip
        assert "components" in imported, task.name
        assert imported - {"components"} <= set(sys.stdlib_module_names), task.name
        looked_at += 1

    assert looked_at == len(package.executors)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""


def test_every_image_is_ours_and_pinned(package: Package) -> None:
    images = {task.container["image"] for task in package.tasks}

    assert len(images) == 3
    for image in images:
        assert re.search(r"defectory/(data|diffusion|detection)", image)
        assert re.search(r"(@sha256:[0-9a-f]{64}|:[\w.-]+)$", image)
    assert ":latest" not in package.text


def test_secrets_are_referenced_optional_and_given_to_who_needs_them(package: Package) -> None:
    holders: dict[str, set[str]] = {}
    for task in package.tasks:
        for secret in task.kubernetes.get("secretAsEnv", []):
            holders.setdefault(secret["secretName"], set()).add(task.step)
            assert secret["optional"] is True
            assert {one["secretKey"] for one in secret["keyToEnv"]} == set(
                names.SECRETS[secret["secretName"]]
            )

    assert holders["defectory-webhook"] == {"final_status"}
    assert holders["defectory-data"] == {"gate", "data_versioning", "base_model"}
    assert {"dreambooth", "report", "final_status"} <= holders["defectory-mlflow"]


def test_nothing_is_given_under_a_name_that_kfp_may_use_itself(package: Package) -> None:
    # KFP 2.17: its proxies (backend/src/apiserver/config/proxy), and what its MLflow plugin gives
    # a step and the launcher around it (backend/src/v2/common/plugins/mlflow/handler.go).
    theirs = {
        *("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"),
        *("KFP_MLFLOW_CONFIG", "MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID"),
        *("MLFLOW_WORKSPACE", "MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_TOKEN"),
        *("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
    }
    given = [
        one["envVar"]
        for task in package.tasks
        for kind in ("configMapAsEnv", "secretAsEnv")
        for source in task.kubernetes.get(kind, [])
        for one in source["keyToEnv"]
    ]

    # Two entries of one name become one with a value and a source, which Kubernetes refuses.
    assert f"{PREFIX}MLFLOW_TRACKING_URI" in given
    assert not theirs & set(given)


def test_who_may_have_a_token_for_git_has_the_program_that_hands_it_over(package: Package) -> None:
    holders = 0
    for task in package.tasks:
        env = {one["name"]: one["value"] for one in task.container.get("env", [])}
        secrets = {one["secretName"] for one in task.kubernetes.get("secretAsEnv", [])}
        assert env.get("GIT_ASKPASS") == (names.ASKPASS if names.DATA_ACCESS in secrets else None)
        holders += names.DATA_ACCESS in secrets
    assert holders >= 3
    assert CREDENTIALS in names.SECRETS[names.DATA_ACCESS]
    recipe = (PROJECT / "images" / "data.Dockerfile").read_text()
    home = re.findall(r"^WORKDIR (/\S+)$", recipe, re.MULTILINE)[-1]
    program = PROJECT / Path(names.ASKPASS).relative_to(home)
    assert os.access(program, os.X_OK)


def test_no_secret_is_written_down(package: Package) -> None:
    for task in package.tasks:
        for variable in task.container.get("env", []):
            assert variable["name"].startswith("DEFECTORY_") or variable["name"] == "GIT_ASKPASS"
            assert not re.search("TOKEN|PASSWORD|SECRET|KEY|WEBHOOK", variable["name"])
    assert not re.search(
        r"(hf_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16}|://[^/\s:]+:[^@\s]+@)", package.text
    )


def test_nothing_of_this_machine_is_in_it(package: Package) -> None:
    here = {str(PROJECT), str(package.path.parent), str(Path.home()) + "/", os.uname().nodename}
    for place in here - {"//"}:
        assert place not in package.text, place


def test_every_path_that_is_baked_in_is_one_of_a_pod(package: Package) -> None:
    looked_at = 0
    for task, value in package.constants():
        for text in _texts(value):
            looked_at += 1
            assert not text.startswith(("/", "~", "./", "../")) or text.startswith("/store/"), (
                f"{task}: {text}"
            )
    mounts = [
        one["mountPath"]
        for task in package.tasks
        for kind in ("pvcMount", "emptyDirMounts")
        for one in task.kubernetes.get(kind, [])
    ]

    assert looked_at > 100
    assert set(mounts) == {"/store", "/dev/shm"}  # noqa: S108
    assert "hostPath" not in package.text


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str) and value.startswith(("{", "[")) and "{{$" not in value:
        yield from _texts(json.loads(value))
    elif isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    else:
        yield ""


def test_every_task_waits_for_all_that_it_reads(package: Package) -> None:
    """A loop over an output that nothing in it uses would start before the output is there."""
    looked_at = 0
    platform = {
        (task.within, task.name): json.dumps(task.kubernetes) for task in package.tasks
    }  # fmt: skip
    for within, dag in package.dags():
        for name, task in dag["tasks"].items():
            text = json.dumps(task.get("inputs", {})) + platform.get((within, name), "")
            producers = set(re.findall(r'"producerTask": "([^"]+)"', text))
            # Where a whole inner DAG is collected from, its own task is what is waited for.
            assert producers <= set(task.get("dependentTasks", [])), f"{within}: {name}"
            looked_at += len(producers)

    assert looked_at > 20


def test_every_parameter_arrives_as_the_type_that_it_leaves_with(package: Package) -> None:
    """The backend converts anything to text and nothing back; the compiler does not look."""
    looked_at = 0
    for within, dag in package.dags():
        outer = package.spec["root"] if within == "root" else package.spec["components"][within]
        own = outer.get("inputDefinitions", {}).get("parameters", {})
        for name, task in dag["tasks"].items():
            component = package.spec["components"][task["componentRef"]["name"]]
            wanted = component.get("inputDefinitions", {}).get("parameters", {})
            for parameter, value in task.get("inputs", {}).get("parameters", {}).items():
                if "componentInputParameter" in value:
                    given = own[value["componentInputParameter"]]["parameterType"]
                elif "taskOutputParameter" in value:
                    source = value["taskOutputParameter"]
                    producer = dag["tasks"][source["producerTask"]]["componentRef"]["name"]
                    given = package.spec["components"][producer]["outputDefinitions"]["parameters"][
                        source["outputParameterKey"]
                    ]["parameterType"]
                else:
                    continue
                if parameter not in wanted:
                    # It is only put into the text of another one.
                    assert parameter.startswith("pipelinechannel--")
                    assert "executorLabel" in component
                    continue
                expected = wanted[parameter]["parameterType"]
                assert given == expected, f"{within}, {name}: {parameter} is {given}"
                looked_at += 1

    assert looked_at > 50


def test_kfp_reads_it_back(package: Package) -> None:
    loaded = components.load_component_from_file(str(package.path))

    assert loaded.name == package.spec["pipelineInfo"]["name"] == names.PIPELINE
    for fields in package.kubernetes.values():
        message = kubernetes_executor_config_pb2.KubernetesExecutorConfig()
        json_format.ParseDict(fields, message)


def test_the_overview_names_every_parameter_once_and_is_short(package: Package) -> None:
    text = overview(package.path)

    for name in package.parameters:
        assert text.count(f"`{name}`") == 1, name
    # More lines than this push the top of KFP's card out of the window.
    assert sum(1 + len(line) // 60 for line in text.splitlines() if line) <= 20


def test_the_same_bytes_elsewhere_and_later(package: Package, tmp_path: Path) -> None:
    import shutil

    elsewhere = tmp_path / "other place"
    for folder in ("components", "pipelines"):
        shutil.copytree(
            PROJECT / folder,
            elsewhere / folder,
            ignore=shutil.ignore_patterns("__pycache__", "weights"),
        )
    out = tmp_path / "again.yaml"
    # Images that were built here have other names than those of a fresh clone.
    built = PROJECT / "images" / "digests.json"
    compile_package(
        package.path.stem,
        out,
        elsewhere,
        {
            "PYTHONHASHSEED": "17",
            "TZ": "Asia/Tokyo",
            "HOME": str(tmp_path),
            "KFP_DISABLE_EXECUTION_CACHING_BY_DEFAULT": "true",
            "MLFLOW_TRACKING_URI": "http://elsewhere",
            "DEFECTORY_STORE": str(tmp_path),
            **({"DEFECTORY_IMAGES": str(built)} if built.is_file() else {}),
        },
    )

    assert out.read_bytes() == package.path.read_bytes()


@pytest.mark.parametrize("profile", list(PROFILES))
def test_compiling_imports_nothing_heavy(
    imported: dict[str, tuple[Package, list[str]]], profile: str
) -> None:
    modules = imported[profile][1]

    assert "kfp.compiler" in modules
    assert not set(HEAVY) & set(modules)
