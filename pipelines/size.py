"""How many tasks a run on a cluster may have.

Argo keeps a run with all its tasks in one object, and ends it where that grows too large: not when
it is started, but after most of its work. How large the object grows is worked out in
tests/package/workflow.py, and the numbers here are tested against that.
"""

from dataclasses import dataclass

from pydantic import model_validator

from components.mask_rcnn.settings import REGIMES
from pipelines.config import Config

STOCK = 88
"""Tasks for which Argo has room as KFP brings it, 1 MiB."""

RAISED = 128
"""Tasks for which it has room with `MAX_WORKFLOW_SIZE`."""

MAX_WORKFLOW_SIZE = 1_400_000
"""What Argo can be allowed, bytes: nearly all that Kubernetes takes."""

_OF_A_FRACTION = 6
_BESIDES = 11
"""With the two of a profile that has pools."""

_FEWER = "take fewer shards, repeats or fractions"
_ALLOW = (
    "kubectl -n kubeflow set env deployment/workflow-controller "
    f"MAX_WORKFLOW_SIZE={MAX_WORKFLOW_SIZE}"
)


@dataclass(frozen=True)
class Size:
    """What decides how many tasks a run has.

    Attributes:
        fractions: Fractions of the real data that are on.
        shards: Parts of the synthesis of each.
        trainings: Segmenters trained for each: regimes times repeats.
    """

    fractions: int
    shards: int
    trainings: int

    @property
    def tasks(self) -> int:
        """The number of tasks."""
        return self.fractions * (_OF_A_FRACTION + self.shards + self.trainings) + _BESIDES

    @property
    def refusal(self) -> str:
        """Why no cluster can keep the run; empty where one can."""
        if self.tasks <= RAISED:
            return ""
        return f"{self}, and Argo has room for some {RAISED} at most: {_FEWER}"

    @property
    def warning(self) -> str:
        """What a cluster needs to keep the run; empty where any can."""
        if self.tasks <= STOCK or self.refusal:
            return ""
        return (
            f"{self}. As KFP brings it, Argo has room for some {STOCK}, and ends such a run late, "
            f"with the error 'workflow is longer than maximum allowed size': {_FEWER}; or give it "
            f"more room, as infra/kind/up and infra/kfp/render do: {_ALLOW}"
        )

    def __str__(self) -> str:
        return (
            f"the run has {self.tasks} tasks ({self.fractions} fractions x ({_OF_A_FRACTION} + "
            f"{self.shards} shards + {self.trainings} trainings) + {_BESIDES})"
        )


def size(config: Config) -> Size:
    """The size of a run of a configuration."""
    run = config.run
    return Size(len(run.fractions), run.shards, len(REGIMES) * run.repeats)


class ClusterConfig(Config):
    """A whole run on a cluster: its gate refuses what Argo could not keep."""

    @model_validator(mode="after")
    def _argo_has_room(self) -> "ClusterConfig":
        if refusal := size(self).refusal:
            raise ValueError(refusal)
        return self
