"""`defectory compile`: the pipeline as a package that Kubeflow takes."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.commands.options import add_configuration, add_profile
from pipelines.refusal import Refusal

if TYPE_CHECKING:
    from pipelines.config import Config

EXAMPLES = """\
examples:
  defectory compile --profile kind -o defectory.yaml
  defectory compile --profile gpu --set plan.images=2000 -o defectory.yaml
  defectory compile --profile gpu --data https://host/photos.git:data.dvc -o defectory.yaml

The file can be uploaded in the UI by hand; `defectory deploy` compiles and uploads in one go."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.description = (
        "Writes the pipeline for one kind of cluster as a KFP v2 package. The same code, "
        "settings and images give the same file, byte for byte."
    )
    parser.epilog = EXAMPLES
    parser.add_argument(
        "-o", "--out", metavar="FILE", type=Path, required=True, help="the package, a .yaml file"
    )
    add_package(parser)


def add_package(parser: argparse.ArgumentParser) -> None:
    """What a package is made from; `deploy` takes the same."""
    add_profile(parser)
    add_configuration(parser, preset=None)
    parser.add_argument(
        "--data",
        metavar="WHERE",
        default="",
        help="photos that runs take by default: https://HOST/REPOSITORY.git:PATH/data.dvc, or "
        "/store/FOLDER; the sample photos by default",
    )
    parser.add_argument(
        "--revision", metavar="REV", default="", help="git revision of the .dvc file, by default"
    )


def main(chosen: argparse.Namespace) -> int:
    """Write the file."""
    write(chosen, chosen.out)
    sys.stdout.write(f"{chosen.out}\n")
    return 0


def write(chosen: argparse.Namespace, out: Path) -> None:
    """Compile what the arguments say into a file, and say what a cluster needs for it.

    Raises:
        Refusal: With all problems.
    """
    from pipelines import names
    from pipelines.images.reach import unreachable
    from pipelines.package import BadPackage, write_package
    from pipelines.profiles import PROFILES
    from pipelines.size import size

    profile = PROFILES[chosen.profile]
    warnings = [unreachable(profile)]
    config = _configuration(chosen, chosen.preset or profile.preset)
    try:
        write_package(config, profile, out, chosen.data or names.SAMPLE, chosen.revision)
    except BadPackage as error:
        raise Refusal(str(error)) from error
    warnings.append(size(config).warning)
    sys.stderr.write("".join(f"{warning}\n" for warning in warnings if warning))


def _configuration(chosen: argparse.Namespace, preset_name: str) -> "Config":
    """The configuration to bake in; nothing of this machine enters it."""
    from pipelines.config import OWN_COPY
    from pipelines.overrides import BadSettings, override
    from pipelines.presets import preset

    changes = list(chosen.changes)
    if chosen.base_model:
        changes.insert(0, OWN_COPY)
        source, _, revision = chosen.base_model.partition("@")
        changes += [f"base_model.source={source}", f"base_model.revision={revision}"]
    try:
        return override(preset(preset_name), changes)
    except (BadSettings, ValueError) as error:
        raise Refusal(str(error)) from error
