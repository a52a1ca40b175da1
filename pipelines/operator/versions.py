"""Pipelines and their versions on a server."""

import contextlib
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import kfp_server_api

from pipelines.names import PIPELINE
from pipelines.operator import limits
from pipelines.operator.failure import ServerRefusal
from pipelines.operator.predicate import called
from pipelines.operator.server import Server
from pipelines.refusal import Refusal

_DIGEST = re.compile(r"\bcontent ([0-9a-f]{32,64})\b")
_KEPT = 32
"""Characters of a package's digest in a version's description: more are wider than KFP's UI is."""


@dataclass(frozen=True)
class Deployed:
    """A version on the server.

    Attributes:
        pipeline: Name of the pipeline.
        pipeline_id: Its id.
        version: Name of the version.
        version_id: Its id.
        existed: Whether it was there already.
        link: Address in the UI.
    """

    pipeline: str
    pipeline_id: str
    version: str
    version_id: str
    existed: bool
    link: str


def pipeline_name(profile: str) -> str:
    """Name on the server of the pipeline for a profile.

    Every profile has a pipeline of its own, so that a schedule that follows the latest version
    never gets one made for another kind of cluster.
    """
    return f"{PIPELINE}-{profile}"


def deploy(server: Server, package: Path, pipeline: str, version: str, about: str) -> Deployed:
    """Upload a package as a version, unless it is there.

    Args:
        server: Where to.
        package: The compiled pipeline.
        pipeline: Name of the pipeline; made if there is none.
        version: Name of the version.
        about: What people should know of it, in Markdown.

    Raises:
        Refusal: If KFP takes no such name, or there is a version of this name with other content.
        ServerRefusal: If the server refuses.
    """
    limits.check_name(limits.PIPELINE, pipeline)
    limits.check_name(limits.VERSION, version)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    pipeline_id = _pipeline(server, pipeline)
    if (found := find_version(server, pipeline_id, version)) is not None:
        return _same(server, pipeline, found, digest)
    try:
        with server.doing(f"uploading version {version!r}"):
            made = server.api.pipeline_uploads.upload_pipeline_version(
                str(package),
                name=version,
                pipelineid=pipeline_id,
                description=f"{about}\n\ncontent {digest[:_KEPT]}\n",
            )
    except ServerRefusal as refusal:
        alike = _versions(server, pipeline_id, version) if refusal.status == 409 else []
        if not alike:
            raise
        # Somebody else was faster.
        return _same(server, pipeline, exactly(alike, version, "version", "--version"), digest)
    return _deployed(server, pipeline, made, existed=False)


def find_version(server: Server, pipeline_id: str, name: str) -> Any | None:
    """A pipeline's version of exactly this name."""
    return of_name(_versions(server, pipeline_id, name), name)


def newest_version(server: Server, pipeline_id: str) -> Any:
    """A pipeline's version that was uploaded last, the one that KFP takes by itself.

    Raises:
        Refusal: If it has none.
    """
    with server.doing("looking for the newest version"):
        found = server.api.pipelines.pipeline_service_list_pipeline_versions(
            pipeline_id=pipeline_id, page_size=1, sort_by="created_at desc"
        )
    versions = found.pipeline_versions or []
    if not versions:
        raise Refusal("the pipeline has no version yet: defectory deploy uploads one")
    return versions[0]


def find_pipeline(server: Server, name: str) -> Any:
    """A pipeline by name, or without one the only one of ours.

    Raises:
        Refusal: If there is none, or several; with those that there are.
    """
    known = [one for one in pipelines(server) if one.display_name.startswith(PIPELINE)]
    if name:
        named = [one for one in pipelines(server) if one.display_name == name]
        if named:
            return named[0]
    elif len(known) == 1:
        return known[0]
    there = ", ".join(sorted(one.display_name for one in known))
    if not known:
        what = f"no pipeline {name!r}" if name else "no pipeline of ours"
        raise Refusal(f"{what} on the server: defectory deploy uploads it")
    if name:
        raise Refusal(f"no pipeline {name!r} on the server; there are {there}")
    raise Refusal(f"several pipelines on the server, {there}: choose one with --pipeline")


def pipelines(server: Server) -> list[Any]:
    """All pipelines that we may see."""
    found = server.pages(
        "listing pipelines",
        server.api.pipelines.pipeline_service_list_pipelines,
        "pipelines",
        **_scope(server),
    )
    return list(found)


def names_of(server: Server, ids: list[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, str]]:
    """Names of pipelines and versions by their ids, for people; ids of what is gone stay ids."""
    named: dict[tuple[str, str], tuple[str, str]] = {}
    pipelines_named = {one.pipeline_id: one.display_name for one in pipelines(server)}
    for pipeline_id, version_id in set(ids):
        version = "newest" if not version_id else version_id
        if version_id:
            with contextlib.suppress(ServerRefusal), server.doing("looking for the version"):
                version = server.api.pipelines.pipeline_service_get_pipeline_version(
                    pipeline_id=pipeline_id, pipeline_version_id=version_id
                ).display_name
        named[pipeline_id, version_id] = pipelines_named.get(pipeline_id, pipeline_id), version
    return named


def exactly(alike: Sequence[Any], name: str, what: str, option: str) -> Any:
    """The one of exactly a name among those that the server takes for it.

    Args:
        alike: What the server found; at least one.
        name: The name.
        what: What it is of, for people.
        option: The option that gives it.

    Raises:
        Refusal: If there is none: the server makes no other beside those that it found.
    """
    if (found := of_name(alike, name)) is not None:
        return found
    other = alike[0].display_name
    raise Refusal(
        f"{option} {quote(name)}: the server has {what} {other!r}, which its database takes for "
        "the same, as it does names that differ in case or accents only: give "
        f"{option} {quote(other)}, or another name"
    )


def of_name(alike: Iterable[Any], name: str) -> Any | None:
    """The one of exactly a name; None if there is none."""
    return next((one for one in alike if one.display_name == name), None)


def _versions(server: Server, pipeline_id: str, name: str) -> list[Any]:
    found = server.pages(
        "looking for the version",
        server.api.pipelines.pipeline_service_list_pipeline_versions,
        "pipeline_versions",
        pipeline_id=pipeline_id,
        filter=called(name),
    )
    return list(found)


def _pipeline(server: Server, name: str) -> str:
    """Id of the pipeline of this name, made if there is none.

    KFP's upload of a pipeline names its first version like the pipeline, so it is made empty.
    """
    if (known := of_name(_pipelines(server, name), name)) is not None:
        return str(known.pipeline_id)
    body = kfp_server_api.V2beta1Pipeline(
        name=name,
        display_name=name,
        namespace=server.namespace,
        description="From a few annotated defect photos to a measured segmenter.",
    )
    try:
        with server.doing(f"making the pipeline {name!r}"):
            made = server.api.pipelines.pipeline_service_create_pipeline(body)
        return str(made.pipeline_id)
    except ServerRefusal as refusal:
        alike = _pipelines(server, name) if refusal.status == 409 else []
        if not alike:
            raise
        # Somebody else was faster.
        return str(exactly(alike, name, "pipeline", "--pipeline").pipeline_id)


def _pipelines(server: Server, name: str) -> list[Any]:
    found = server.pages(
        "looking for the pipeline",
        server.api.pipelines.pipeline_service_list_pipelines,
        "pipelines",
        filter=called(name),
        **_scope(server),
    )
    return list(found)


def _scope(server: Server) -> dict[str, Any]:
    return {"namespace": server.namespace} if server.namespace else {}


def _same(server: Server, pipeline: str, found: Any, digest: str) -> Deployed:
    recorded = _DIGEST.search(found.description or "")
    if recorded is None or not digest.startswith(recorded[1]):
        raise Refusal(
            f"version {found.display_name!r} of {pipeline!r} is on the server with other content "
            "(another configuration, or other images, at the same git revision): commit the "
            "change, or name the version with --version"
        )
    return _deployed(server, pipeline, found, existed=True)


def _deployed(server: Server, pipeline: str, version: Any, existed: bool) -> Deployed:
    return Deployed(
        pipeline=pipeline,
        pipeline_id=version.pipeline_id,
        version=version.display_name,
        version_id=version.pipeline_version_id,
        existed=existed,
        link=server.link(
            "pipelines", f"{version.pipeline_id}/version/{version.pipeline_version_id}"
        ),
    )
