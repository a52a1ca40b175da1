"""`defectory deploy`: the pipeline onto a Kubeflow server, as a version."""

import argparse
import sys
import tempfile
from pathlib import Path

from pipelines.commands.compile import add_package, write
from pipelines.commands.options import add_connection
from pipelines.refusal import Refusal

EXAMPLES = """\
examples:
  kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80 &
  defectory deploy --profile kind --endpoint http://localhost:8080
  defectory deploy --profile gpu --data https://host/photos.git:data.dvc
  defectory deploy --profile gpu --set plan.images=2000 --version plan-2000

A second call with the same code, settings and images does nothing. Schedules made with --latest
take the new version from their next run on."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.description = (
        "Compiles the pipeline and uploads it as a version that is named by the git revision. "
        "Every profile has a pipeline of its own on the server. The images must have been built, "
        "and pushed where the cluster's nodes pull them."
    )
    parser.epilog = EXAMPLES
    add_package(parser)
    parser.add_argument(
        "--version",
        metavar="NAME",
        default="",
        help="name of the version; the git revision by default",
    )
    parser.add_argument(
        "--dirty",
        action="store_true",
        help="deploy code that is not committed; the version's name says so",
    )
    parser.add_argument(
        "--pipeline", metavar="NAME", default="", help="name of the pipeline on the server"
    )
    add_connection(parser)


def main(chosen: argparse.Namespace) -> int:
    """Compile, and upload what is not there yet."""
    from pipelines.images.reach import unreachable
    from pipelines.operator.access import access
    from pipelines.operator.limits import check_text
    from pipelines.operator.naming import version_name
    from pipelines.profiles import PROFILES

    if why := unreachable(PROFILES[chosen.profile]):
        raise Refusal(why)
    # The version would be taken, and no run of it.
    for option in ("data", "revision"):
        check_text(f"--{option} {getattr(chosen, option)}", getattr(chosen, option))
    connection = access(chosen)
    with tempfile.TemporaryDirectory(prefix="defectory-") as folder:
        package = Path(folder) / "defectory.yaml"
        write(chosen, package)
        version = chosen.version or version_name(
            package, preset=_other_preset(chosen), dirty=chosen.dirty
        )

        from pipelines.operator.server import Server
        from pipelines.operator.versions import deploy, pipeline_name
        from pipelines.package import overview

        done = deploy(
            Server(connection),
            package,
            chosen.pipeline or pipeline_name(chosen.profile),
            version,
            overview(package),
        )
    state = "is there already" if done.existed else "uploaded"
    sys.stdout.write(f"{done.pipeline} {done.version} {state}\n{done.link}\n")
    return 0


def _other_preset(chosen: argparse.Namespace) -> str:
    from pipelines.profiles import PROFILES

    own = PROFILES[chosen.profile].preset
    return chosen.preset if chosen.preset not in (None, own) else ""
