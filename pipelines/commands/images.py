"""`defectory images`: the container images that steps run in."""

import argparse
import sys

from components.image import SETS, unbuilt
from pipelines.refusal import Refusal

EXAMPLES = """\
examples:
  defectory images build
  defectory images build --registry registry.example.com/plant --push
  defectory images build --only data --base mirror.example.com/python:3.11-slim
  defectory images list > mirror-these.txt"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.description = (
        "Builds the images with Docker and writes their digests down, where `compile` and "
        "`run --runner docker` find them; lists all that an installation needs."
    )
    parser.epilog = EXAMPLES
    what = parser.add_subparsers(dest="what", required=True, metavar="build|list")
    build = what.add_parser(
        "build", help="build, and push if asked to", allow_abbrev=False,
        description="Builds the images. Nothing is built again that is unchanged.",
    )  # fmt: skip
    build.add_argument(
        "--only",
        metavar="SET",
        action="append",
        choices=SETS,
        default=[],
        help=f"build this one alone ({', '.join(SETS)}); may be given often",
    )
    build.add_argument(
        "--registry",
        metavar="HOST/FOLDER",
        default="",
        help="name the images for this registry; by default $DEFECTORY_REGISTRY",
    )
    build.add_argument("--push", action="store_true", help="push them there")
    build.add_argument(
        "--base",
        metavar="IMAGE",
        default="",
        help="Python image to stand on, instead of the one that the Dockerfiles name",
    )
    build.add_argument(
        "--detectron2",
        metavar="REPOSITORY",
        default="",
        help="folder with a clone of detectron2, for machines without the network; or none",
    )
    build.add_argument("--network", metavar="NAME", default="", help="Docker's network to build in")
    build.add_argument(
        "--pip", metavar="FILE", default="", help="pip configuration with your package index"
    )
    build.add_argument(
        "--certificates", metavar="FILE", default="", help="certificates to trust while building"
    )
    what.add_parser(
        "list", help="print all images, one a line, for mirroring",
        description="Prints every image that an installation needs: ours, what they are built "
        "from, Kubeflow's, MLflow's, the database's and the object store's.",
    )  # fmt: skip


def main(chosen: argparse.Namespace) -> int:
    """Build or list."""
    if chosen.what == "list":
        return _list()

    from pipelines.images.build import Build, build

    built = build(
        Build(
            only=[one for one in SETS if not chosen.only or one in chosen.only],
            registry=chosen.registry,
            push=chosen.push,
            base=chosen.base,
            detectron2=chosen.detectron2,
            network=chosen.network,
            pip=chosen.pip,
            certificates=chosen.certificates,
        )
    )
    for dependencies, one in built.items():
        name = f"{one.reference}@{one.digest}" if one.digest else one.reference
        sys.stdout.write(f"{dependencies}  {name}  {one.id}  {one.size / 1e6:.0f} MB\n")
    return 0


def _list() -> int:
    from pipelines.images.listing import listing

    try:
        lines, missing = listing(), unbuilt()
    except ValueError as error:
        raise Refusal(str(error)) from error
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    if missing:
        sys.stderr.write(
            f"no build of {', '.join(missing)} is on record: these are no images yet, only names; "
            "`defectory images build` builds them\n"
        )
    return 0
