"""Arguments that several commands share."""

import argparse

PRESETS = {
    "quickstart": "two CPU cores, the embedded tiny model, minutes",
    "smoke": "two steps of everything, to see that it runs",
    "paper": "Stable Diffusion 1.5 at 512 px, a GPU, hours",
}

PROFILES = {
    "kind": "everything small, on CPU (preset quickstart)",
    "gpu": "a training pool, a synthesis pool, a CPU pool (preset paper)",
}


def add_configuration(parser: argparse.ArgumentParser, preset: str | None = "quickstart") -> None:
    """`--preset`, `--set` and `--base-model`: what is to be computed.

    Args:
        parser: Gets the arguments.
        preset: The default; None leaves the choice to the profile.
    """
    parser.add_argument(
        "--preset",
        choices=list(PRESETS),
        default=preset,
        help="named configuration" + ("" if preset else "; the profile's own by default"),
    )
    parser.add_argument(
        "--set",
        metavar="STEP.FIELD=VALUE",
        action="append",
        default=[],
        dest="changes",
        help="change one setting; may be given often (see: defectory settings)",
    )
    parser.add_argument(
        "--base-model",
        metavar="MODEL",
        help="hub id (with @COMMIT) or folder in the diffusers format",
    )


def add_profile(parser: argparse.ArgumentParser) -> None:
    """`--profile`: what kind of cluster it is for."""
    parser.add_argument(
        "--profile",
        choices=list(PROFILES),
        required=True,
        help="; ".join(f"{name}: {what}" for name, what in PROFILES.items()),
    )


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Where the Kubeflow server is, and who asks."""
    group = parser.add_argument_group(
        "the Kubeflow server",
        "Without --endpoint: the server of the cluster this pod is in, or that of the current "
        "kubectl context.",
    )
    group.add_argument(
        "--endpoint",
        metavar="URL",
        default="",
        help="address of the KFP UI or API; by default $KF_PIPELINES_ENDPOINT",
    )
    group.add_argument(
        "--namespace",
        metavar="NAME",
        default="",
        help="your namespace, where the server has several users, else the one KFP is in; "
        "by default $DEFECTORY_NAMESPACE, or kubeflow",
    )
    group.add_argument(
        "--token-file",
        metavar="FILE",
        default="",
        help="file with an access token; by default $DEFECTORY_TOKEN holds the token itself, or "
        "this pod's service account is taken ($KF_PIPELINES_SA_TOKEN_PATH)",
    )
    group.add_argument(
        "--cookies-file",
        metavar="FILE",
        default="",
        help="file with the Cookie header of a logged-in browser; by default $DEFECTORY_COOKIES "
        "holds the header itself",
    )
    group.add_argument(
        "--user",
        metavar="NAME",
        default="",
        help="send this user's name in the header $KUBEFLOW_USERID_HEADER (kubeflow-userid), as "
        "the gateway of a multi-user server would",
    )
    group.add_argument(
        "--ca", metavar="FILE", default="", help="certificate authority of the server, PEM"
    )
    group.add_argument(
        "--insecure", action="store_true", help="do not check the server's certificate"
    )
    group.add_argument(
        "--ui",
        metavar="URL",
        default="",
        help="address of the UI for links, where it is not the endpoint; by default "
        "$KF_PIPELINES_UI_ENDPOINT, and without an endpoint what the cluster's settings say",
    )
    for secret in ("--token", "--existing-token", "--cookies"):
        group.add_argument(secret, action=_Secret, help=argparse.SUPPRESS)


class _Secret(argparse.Action):
    """Refuses a secret among the arguments, where every process list and shell history has it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        parser.error(
            f"{option_string}: arguments are seen by everyone on this machine and kept in the "
            "shell's history; put the secret into a file (--token-file, --cookies-file) or a "
            "variable (DEFECTORY_TOKEN, DEFECTORY_COOKIES)"
        )


def add_pipeline(parser: argparse.ArgumentParser) -> None:
    """Which deployed pipeline, and which values for its parameters."""
    parser.add_argument(
        "--pipeline",
        metavar="NAME",
        default="",
        help="pipeline on the server; by default the one that deploy put there, if only one",
    )
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        dest="changes",
        help="value of a pipeline parameter; may be given often",
    )
    parser.add_argument(
        "--data",
        metavar="WHERE",
        default="",
        help="a .dvc file here whose repository the cluster can reach, or "
        "https://HOST/REPOSITORY.git:PATH/data.dvc; the package's own by default",
    )
    parser.add_argument(
        "--revision", metavar="REV", default="", help="git revision of the .dvc file"
    )
    parser.add_argument(
        "--service-account",
        metavar="NAME",
        default="",
        help="Kubernetes service account of the run's pods; by default defectory-runner, which "
        "infra/ makes",
    )
