"""The pipeline's parameters: what a person sets in the KFP UI or at `defectory submit`.

They are flat scalars with a default and a description each. Most stand for one setting of the
configuration that the pipeline was compiled for, and replace it inside the tasks.
"""

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from components.fraction import percent
from pipelines.config import Config

Scalar = str | int | bool

SWITCH = "fraction_"
"""What names of parameters that switch a fraction begin with."""

SETTINGS = {
    "noun": "run.noun",
    "token": "run.token",
    "seed": "run.seed",
    "dreambooth_steps": "dreambooth.steps",
    "hypernetwork_steps": "hypernetwork.steps",
    "mask_rcnn_steps": "mask_rcnn.steps",
    "images": "plan.images",
    "samples": "plan.samples",
    "shards": "run.shards",
}
"""Parameters that stand for a setting."""

_BRIEF = {
    ("data", "revision", "digest"): "which photos",
    (SWITCH,): "with which shares of the annotated ones",
    ("noun", "token"): "words for what the photos show, and for its defects",
    ("seed",): "of the split, the trainings and the plan",
    ("dreambooth_steps", "hypernetwork_steps", "mask_rcnn_steps"): "how long to train",
    ("images", "samples"): "how many to draw for a share, and of one driver",
    ("shards",): "parts of the drawing that may run side by side",
    ("node_pool", "spot"): "on which nodes",
    ("skip_unchanged",): "end at once where nothing changed since the last run",
    ("notify",): "tell the webhook how it ended",
}
"""What parameters are for, in a line each, by the beginnings of their names."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of the pipeline.

    Attributes:
        name: Its name in KFP.
        default: Its default.
        meaning: One sentence for people.
        setting: The setting `step.field` that it replaces; empty where it stands for none.
        fraction: The fraction of the real data that it switches; None where it switches none.
    """

    name: str
    default: Scalar
    meaning: str
    setting: str = ""
    fraction: float | None = None


def parameters(
    config: Config, data: str = "", revision: str = "", digest: str = "", pools: bool = False
) -> tuple[Parameter, ...]:
    """All parameters of the pipeline of a configuration, in the order of the UI's form.

    Args:
        config: The configuration that the pipeline is built for.
        data: Default of `data`.
        revision: Default of `revision`.
        digest: Default of `digest`.
        pools: Whether there are pools of nodes to choose among.
    """
    placing = (
        Parameter("node_pool", "", "Node pool for the trainings and the synthesis, the value of "
                  "the nodes' label defectory.dev/pool; the profile's own pools when empty."),
        Parameter("spot", True, "Whether the synthesis may run on spot nodes."),
    )  # fmt: skip
    return (
        Parameter("data", data, "Folder of photos, or a .dvc file, here or in a git repository "
                  "(https://host/owner/repo.git:path/data.dvc)."),
        Parameter("revision", revision, "Git revision of the .dvc file: branch, tag or commit; "
                  "the default branch when empty."),
        Parameter("digest", digest, "Content digest that the photos must have (sha256:...); "
                  "whatever is found when empty."),
        *(
            Parameter(
                switch(fraction), True,
                f"Whether to work with {percent(fraction)} of the annotated photos.",
                fraction=fraction,
            )
            for fraction in config.run.fractions
        ),
        *(_of_setting(name, setting, config) for name, setting in SETTINGS.items()),
        *(placing if pools else ()),
        Parameter("skip_unchanged", False, "End at once, without GPU work, when data, code, "
                  "images and settings equal those of the last successful run."),
        Parameter("notify", True, "Whether to post the run's final state to the webhook, where "
                  "one is configured."),
    )  # fmt: skip


def switch(fraction: float) -> str:
    """Name of the parameter that switches a fraction: `fraction_10_percent`."""
    return f"{SWITCH}{fraction * 100:g}_percent".replace(".", "_")


def brief(names: Iterable[str]) -> list[str]:
    """What parameters are for, as a list in Markdown that is much shorter than their meanings."""
    left = list(names)
    lines = []
    for beginnings, purpose in _BRIEF.items():
        named = [name for name in left if name.startswith(beginnings)]
        if named:
            lines.append(f"- {', '.join(f'`{name}`' for name in named)}: {purpose}")
    return lines


def signature(all_of: Sequence[Parameter]) -> inspect.Signature:
    """The signature that KFP reads the pipeline's inputs from."""
    return inspect.Signature(
        [
            inspect.Parameter(
                one.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=one.default,
                annotation=type(one.default),
            )
            for one in all_of
        ]
    )


def docstring(summary: str, all_of: Sequence[Parameter]) -> str:
    """The docstring that KFP reads the inputs' descriptions from."""
    return "\n".join([summary, "", "Args:", *(f"    {one.name}: {one.meaning}" for one in all_of)])


def _of_setting(name: str, setting: str, config: Config) -> Parameter:
    step, _, field = setting.partition(".")
    settings = getattr(config, step)
    meaning = " ".join((type(settings).model_fields[field].description or "").split())
    named = meaning if step in ("run", "plan") else f"{step}: {meaning}"
    return Parameter(name, getattr(settings, field), named, setting=setting)
