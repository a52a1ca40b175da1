"""What a person chose to run: a version on the server, and values for its parameters."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pipelines.elsewhere import is_address
from pipelines.names import STORE_MOUNT
from pipelines.operator.limits import check_text
from pipelines.operator.parameters import Parameter, Value, parameters, require_all, values
from pipelines.operator.pin import Pinned, address, pin
from pipelines.operator.recurring import Schedule
from pipelines.operator.server import Server
from pipelines.operator.versions import find_pipeline, find_version, newest_version
from pipelines.refusal import Refusal


def chosen_version(server: Server, pipeline: str, version: str) -> tuple[Any, Any]:
    """The pipeline and the version named, or the only and the newest.

    Raises:
        Refusal: If there is none of this name.
    """
    found = find_pipeline(server, pipeline)
    if not version:
        return found, newest_version(server, found.pipeline_id)
    named = find_version(server, found.pipeline_id, version)
    if named is None:
        newest = newest_version(server, found.pipeline_id).display_name
        raise Refusal(
            f"{found.display_name!r} has no version {version!r}; its newest is {newest!r} "
            "(defectory deploy uploads the one of this checkout)"
        )
    return found, named


def version_by_id(
    server: Server, pipeline: str, version: str, schedule: Schedule
) -> tuple[str, Any]:
    """The pipeline's id and the version for a schedule that is changed.

    Args:
        server: Where it is.
        pipeline: Name of another pipeline, or empty.
        version: Name of another version, or empty.
        schedule: What it is so far.
    """
    identity = schedule.pipeline_id
    if pipeline:
        found, named = chosen_version(server, pipeline, version)
        if version or found.pipeline_id != identity:
            return str(found.pipeline_id), named
    elif not identity:
        raise Refusal(
            f"schedule {schedule.name!r} runs a pipeline that is in no list (it was not made "
            "here): choose one with --pipeline"
        )
    if version:
        known = find_version(server, identity, version)
        if known is None:
            raise Refusal(f"the pipeline of {schedule.name!r} has no version {version!r}")
        return identity, known
    if not schedule.version_id:
        return identity, newest_version(server, identity)
    with server.doing("looking at the schedule's version"):
        return identity, server.api.pipelines.pipeline_service_get_pipeline_version(
            pipeline_id=identity, pipeline_version_id=schedule.version_id
        )


def chosen_values(
    spec: Any,
    changes: Sequence[str],
    data: str,
    revision: str,
    *,
    pinning: bool,
    before: Mapping[str, Value] = MappingProxyType({}),
) -> tuple[dict[str, Parameter], dict[str, Value], Pinned | None]:
    """Values for a version's parameters, checked, with the data pinned.

    Args:
        spec: The version's specification.
        changes: `NAME=VALUE` for its parameters.
        data: `.dvc` file here, address of one elsewhere, or a folder of the store; may be empty.
        revision: Git revision of it; may be empty.
        pinning: Whether a revision becomes the commit that it is now; a schedule keeps it, so
            that every run takes the newest.
        before: Values so far, which what is given is added to.

    Returns:
        The parameters, the values to pass, and the data that was pinned, if it has revisions.

    Raises:
        Refusal: With all problems.
    """
    known = parameters(spec)
    given = values(changes, known)
    problems = [
        f"--{name} and --set {name}: give one of them"
        for name, value in (("data", data), ("revision", revision))
        if value and name in given
    ]
    if problems:
        raise Refusal("\n".join(problems))
    base = {name: one.default for name, one in known.items()} | dict(before)
    named = data or str(given.get("data") or "")
    where = named or str(base.get("data") or "")
    # A revision so far belongs to the data so far.
    at = revision or str(given.get("revision") or ("" if named else base.get("revision")) or "")
    given = {**{name: value for name, value in before.items() if name in known}, **given}
    pinned: Pinned | None = None
    stored = data.startswith(f"{STORE_MOUNT}/")
    if (data and not stored) or is_address(where):
        if pinning:
            pinned = pin(where, at)
            given |= {"data": pinned.data, "revision": pinned.commit}
        else:
            given["data"] = address(where, at)
    elif at:
        raise Refusal(
            f"--revision {at}: {where!r} is no .dvc file of a git repository, so it has no "
            "revisions; name one with --data"
        )
    elif stored:
        given["data"] = data
    if pinned is None and (at or (named and "revision" in known)):
        given["revision"] = at
    require_all(given, known)
    for name, value in {name: given.get(name, one.default) for name, one in known.items()}.items():
        if isinstance(value, str):
            check_text(f"{name}={value}", value)
    _check_settings(given, known)
    return known, given, pinned


def room(spec: Any, known: Mapping[str, Parameter], given: Mapping[str, Value]) -> str:
    """What a cluster needs to keep a run of a version with these values; empty for nothing.

    Args:
        spec: The version's specification.
        known: Its parameters.
        given: Values for some of them.

    Raises:
        Refusal: If no cluster can keep it.
    """
    from pipelines.parameters import SWITCH
    from pipelines.size import Size

    values = {name: given.get(name, one.default) for name, one in known.items()}
    trainings = _trainings(spec)
    if "shards" not in values or not trainings:
        return ""  # It is another pipeline.
    switches = [bool(value) for name, value in values.items() if name.startswith(SWITCH)]
    wanted = Size(sum(switches), int(values["shards"] or 0), trainings)
    if wanted.refusal:
        raise Refusal(wanted.refusal)
    return wanted.warning


def _trainings(spec: Any) -> int:
    """How many segmenters a version trains for a fraction: its loop over a fixed list."""
    for component in spec.get("pipeline_spec", spec)["components"].values():
        for task in component.get("dag", {}).get("tasks", {}).values():
            if fixed := task.get("parameterIterator", {}).get("items", {}).get("raw"):
                return len(json.loads(fixed))
    return 0


def _check_settings(given: dict[str, Value], known: dict[str, Parameter]) -> None:
    """Check the ranges of those parameters that stand for a setting.

    Raises:
        Refusal: With all problems.
    """
    from pipelines.config import Config
    from pipelines.overrides import BadSettings, override
    from pipelines.parameters import SETTINGS

    stand_for = {name: setting for name, setting in SETTINGS.items() if name in known}
    if not stand_for.keys() & given.keys():
        return
    names = {setting: name for name, setting in stand_for.items()}
    effective = {
        setting: given.get(name, known[name].default) for name, setting in stand_for.items()
    }
    try:
        override(Config(), [f"{setting}={value}" for setting, value in effective.items()])
    except BadSettings as error:
        lines = []
        for line in str(error).splitlines():
            setting, _, rest = line.partition(": ")
            lines.append(f"--set {names[setting]}: {rest}" if setting in names else line)
        raise Refusal("\n".join(lines)) from error
