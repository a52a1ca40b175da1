"""The compiled package: the pipeline of one configuration as a file that Kubeflow takes.

The same sources, configuration, profile and images give the same bytes, wherever and whenever.
"""

import ast
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components.base_model.settings import EMBEDDED
from pipelines import names
from pipelines.config import Config
from pipelines.elsewhere import refuse_secrets
from pipelines.parameters import brief
from pipelines.profiles import Profile
from pipelines.refusal import Refusal
from pipelines.size import size

_ELSEWHERE = re.compile(r"([a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:).+:[^:]+\.dvc")
_LATEST = re.compile(r"[^:@]*(:[0-9]+/[^:@]*)?(:latest)?")
_UNCACHED = "KFP_DISABLE_EXECUTION_CACHING_BY_DEFAULT"


class BadPackage(Exception):
    """The package cannot be written; the message has one line for every reason."""


def write_package(
    config: Config, profile: Profile, out: Path, data: str = names.SAMPLE, revision: str = ""
) -> None:
    """Compile the pipeline into a file.

    Args:
        config: The configuration to bake in.
        profile: What its steps ask of the cluster.
        out: The file, `.yaml`; what was there is replaced at once, or stays where this fails.
        data: Default of the parameter `data`, as a pod sees it.
        revision: Default of the parameter `revision`.

    Raises:
        BadPackage: If something named is on this machine only, would show a password, or has no
            revisions, if Argo has no room for such a run, or if the file cannot be written.
    """
    problems = [*_bad_target(out), *_bad_data(data, revision), *_local_files(config)]
    problems += filter(None, [size(config).refusal])
    if problems:
        raise BadPackage("\n".join(problems))
    # KFP reads it when it is imported, and it would change the package.
    os.environ.pop(_UNCACHED, None)
    with warnings.catch_warnings():
        # It warns that images without "python" in their name may hold no Python.
        warnings.simplefilter("ignore", RuntimeWarning)
        from kfp.compiler import pipeline_spec_builder

        from pipelines.valvano import pipeline

        compiled = pipeline(config, data, revision, "", profile=profile)
    _finish(compiled.pipeline_spec)
    aside = out.with_name(f".{out.stem}.part{out.suffix}")
    try:
        pipeline_spec_builder.write_pipeline_spec_to_file(
            pipeline_spec=compiled.pipeline_spec,
            pipeline_description=compiled.description,
            platform_spec=compiled.platform_spec,
            package_path=str(aside),
        )
        aside.replace(out)
    except OSError as error:
        raise BadPackage(f"{out} cannot be written: {error}; give another file") from error
    finally:
        aside.unlink(missing_ok=True)


def overview(package: Path) -> str:
    """What a person should read of a package, as Markdown.

    KFP's UI shows the description of a pipeline's version in a card that cannot be scrolled, whose
    top, with the choice of the version, goes out of sight where the text is long. Of parameters the
    UI shows no more than names and types. So this has a line for what belongs together.

    Args:
        package: A compiled package.
    """
    import yaml

    with package.open(encoding="utf-8") as stream:
        spec = next(yaml.load_all(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    lines = [
        spec["pipelineInfo"].get("description", ""),
        "",
        *brief(spec["root"]["inputDefinitions"]["parameters"]),
        "",
        "`defectory submit --list` says more of them.",
    ]
    return "\n".join(lines)


def _bad_target(out: Path) -> Iterator[str]:
    if out.suffix not in (".yaml", ".yml"):
        yield f"-o {out}: name a .yaml file, that is the form Kubeflow takes"
    elif out.is_dir():
        yield f"-o {out}: is a folder, not a file"
    elif not out.parent.is_dir():
        yield f"-o {out}: there is no folder {out.parent}; make it first"


def _bad_data(data: str, revision: str) -> Iterator[str]:
    try:
        refuse_secrets(data)
    except Refusal as refusal:
        yield str(refusal)
        return
    versioned = _ELSEWHERE.fullmatch(data)
    if revision and not versioned:
        yield (
            f"--revision {revision}: --data {data} is no .dvc file of a git repository, so it has "
            "no revisions; name one, https://HOST/REPOSITORY.git:PATH/data.dvc"
        )
    if not (versioned or data == names.SAMPLE or _stored(data)):
        yield (
            f"--data {data}: a pod cannot see the folders of this machine. Version the photos with "
            "`dvc add` and `dvc push` and give https://HOST/REPOSITORY.git:PATH/data.dvc, or copy "
            f"them to the claim {names.STORE_CLAIM} and give {names.STORE_MOUNT}/FOLDER"
        )


def _local_files(config: Config) -> Iterator[str]:
    source = config.base_model.source
    hub = source.count("/") == 1 and not source.startswith(("/", ".", "~"))
    if source != EMBEDDED and not hub and not _stored(source):
        yield _unseen("base_model.source", source, ", or give a hub id with its commit")
    weights = config.mask_rcnn.weights
    if weights and weights != EMBEDDED and not _stored(weights):
        yield _unseen("mask_rcnn.weights", weights)
    weights = config.fid_evaluation.weights
    if weights and not _stored(weights):
        yield _unseen("fid_evaluation.weights", weights)


def _unseen(setting: str, value: str, other: str = "") -> str:
    return (
        f"{setting}={value}: a pod cannot see the files of this machine. Copy it to the claim "
        f"{names.STORE_CLAIM} and give {names.STORE_MOUNT}/{PurePosixPath(value).name}{other}"
    )


def _stored(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return path.startswith(f"{names.STORE_MOUNT}/") and ".." not in parts


def _finish(spec: Any) -> None:
    """Check the images of a compiled pipeline, and leave out what only people read.

    Argo keeps a program and a component's inputs some ten times for every task of a run, in one
    object of at most 1 MiB, and a run whose object grows beyond that ends with an error. So of a
    step's docstring its first paragraph stays, which KFP's UI shows with the task's command, and
    the step's README is in what the task shows there when it is done (components/viewer.py); the
    parameters of the pipeline keep their descriptions.
    """
    from google.protobuf import json_format

    deployment = json_format.MessageToDict(spec.deployment_spec)
    problems: set[str] = set()
    for executor in deployment["executors"].values():
        container = executor["container"]
        problems.update(_unpinned(_step(container), container["image"]))
        *start, program = container["command"]
        container["command"] = [*start, _brief(program)]
    if problems:
        raise BadPackage("\n".join(sorted(problems)))
    json_format.ParseDict(deployment, spec.deployment_spec)
    for component in spec.components.values():
        definitions = component.input_definitions
        for inputs in (definitions.parameters, definitions.artifacts):
            for about in inputs.values():
                about.description = ""


def _step(container: Mapping[str, Any]) -> str:
    arguments = container["args"]
    return str(arguments[arguments.index("--function_to_execute") + 1])


def _unpinned(step: str, image: str) -> Iterator[str]:
    if _LATEST.fullmatch(image):
        yield (
            f"{step}: the image {image} has no version, so what runs would depend on the day; "
            "build the images with `defectory images build`, which writes their digests down"
        )


def _brief(program: str) -> str:
    """A program with the first paragraph of its function's docstring."""
    lines = program.split("\n")
    for node in ast.parse(program).body:
        text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
        if text:
            whole = node.body[0]  # type: ignore[attr-defined]
            indent = " " * whole.col_offset
            first = text.partition("\n\n")[0].replace("\n", f"\n{indent}")
            lines[whole.lineno - 1 : whole.end_lineno] = [f'{indent}"""{first}"""']
    return "\n".join(lines)
