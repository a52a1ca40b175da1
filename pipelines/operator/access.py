"""Who asks, and where: the connection's options, from arguments and the environment."""

import argparse
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.names import NAMESPACE
from pipelines.refusal import Refusal

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
"""Where Kubernetes puts a token for KFP into a pod that asks for one."""

USER_HEADER = "kubeflow-userid"


@dataclass(frozen=True)
class Access:
    """How to reach a Kubeflow server.

    Attributes:
        endpoint: Address of its UI or API; empty for that of the cluster around us.
        namespace: The user's namespace, or the one KFP is in.
        given_namespace: Whether a person chose it.
        token: Access token, or empty.
        token_volume: File with a token that Kubernetes renews, or None.
        cookies: Cookie header, or empty.
        headers: Further headers of every request.
        authority: PEM file of the server's certificate authority, or empty.
        verify: Whether the server's certificate is checked.
        ui: Address of the UI for links; empty where it is the endpoint, or where the cluster
            around us says it.
        seconds: How long the server may take for an answer.
    """

    endpoint: str = ""
    namespace: str = NAMESPACE
    given_namespace: bool = False
    token: str = field(default="", repr=False)
    token_volume: Path | None = None
    cookies: str = field(default="", repr=False)
    headers: dict[str, str] = field(default_factory=dict)
    authority: str = ""
    verify: bool = True
    ui: str = ""
    seconds: float = 60.0

    @property
    def where(self) -> str:
        """What to call the server in sentences."""
        return self.endpoint or "the Kubeflow server of the cluster"

    def hide(self, text: str) -> str:
        """The text without this connection's secrets."""
        volume = _volume_token(self.token_volume)
        for secret in (self.token, self.cookies, volume):
            if len(secret) >= 4:
                text = text.replace(secret, "***")
        return text


def access(chosen: argparse.Namespace) -> Access:
    """Read the connection's options.

    Raises:
        Refusal: With all problems; never with a secret.
    """
    problems: list[str] = []
    token = _secret(chosen.token_file, "--token-file", "DEFECTORY_TOKEN", problems)
    cookies = _secret(chosen.cookies_file, "--cookies-file", "DEFECTORY_COOKIES", problems)
    endpoint = (chosen.endpoint or os.environ.get("KF_PIPELINES_ENDPOINT", "")).strip()
    ui = (chosen.ui or os.environ.get("KF_PIPELINES_UI_ENDPOINT", "")).strip()
    problems += _bad_address(endpoint, "--endpoint", "KF_PIPELINES_ENDPOINT")
    problems += _bad_address(ui, "--ui", "KF_PIPELINES_UI_ENDPOINT")
    if chosen.ca and not Path(chosen.ca).is_file():
        problems.append(f"--ca {chosen.ca}: is no file")
    if chosen.ca and chosen.insecure:
        problems.append("--ca and --insecure: give one of them")
    if not _fits_a_header(chosen.user or ""):
        problems.append("--user: give the name in one line of plain letters, as a gateway sends it")
    seconds = os.environ.get("DEFECTORY_ANSWER_SECONDS", "60")
    if not re.fullmatch(r"[1-9][0-9]{0,3}", seconds):
        problems.append(f"DEFECTORY_ANSWER_SECONDS={seconds}: give whole seconds, 1 to 9999")
    if problems:
        raise Refusal("\n".join(problems))
    given = chosen.namespace or os.environ.get("DEFECTORY_NAMESPACE", "")
    header = os.environ.get("KUBEFLOW_USERID_HEADER", USER_HEADER)
    return Access(
        endpoint=_address(endpoint),
        namespace=given or NAMESPACE,
        given_namespace=bool(given),
        token=token,
        token_volume=None if token or cookies else _volume(),
        cookies=cookies,
        headers={header: chosen.user} if chosen.user else {},
        authority=chosen.ca,
        verify=not chosen.insecure,
        ui=ui.rstrip("/"),
        seconds=float(seconds),
    )


def _bad_address(address: str, option: str, variable: str) -> Iterator[str]:
    """What is wrong with an address; addresses are printed, so one with a password is not."""
    # Wherever it stands: a password may itself hold what ends the part before the path.
    if "@" in address:
        yield (
            f"{option} (or {variable}): leave user and password, and the @ after them, out of the "
            "address; see --token-file and --cookies-file"
        )
    elif "://" in address and not address.startswith(("http://", "https://")):
        yield f"{option} {address}: an address starts with http:// or https://"
    elif pages := re.search(r"/?[?#]", address):
        yield (
            f"{option} {address}: is the address of one page; give what is before "
            f"{address[pages.end() - 1]!r}, {address[: pages.start()]}"
        )
    elif re.search(r"\s", address):
        yield f"{option} {address!r}: an address has no blanks in it"


def _address(endpoint: str) -> str:
    if not endpoint:
        return ""
    return (endpoint if "://" in endpoint else f"https://{endpoint}").rstrip("/")


def _secret(file: str, option: str, variable: str, problems: list[str]) -> str:
    if not file:
        text = os.environ.get(variable, "").strip()
        if not _fits_a_header(text):
            # Python's own error repeats it, written otherwise, so that it is not found and hidden.
            problems.append(f"{variable}: must hold the secret alone, in one line of plain letters")
        return text
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        # Somebody may have put the secret where the file's name belongs.
        problems.append(f"{option}: cannot read the file ({type(error).__name__}); check its name")
        return ""
    if not text or not _fits_a_header(text):
        problems.append(
            f"{option}: the file must hold the secret alone, in one line of plain letters"
        )
    return text


def _fits_a_header(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _volume() -> Path | None:
    named = os.environ.get("KF_PIPELINES_SA_TOKEN_PATH", "")
    if named:
        if not os.access(named, os.R_OK):
            raise Refusal(
                f"KF_PIPELINES_SA_TOKEN_PATH={named}: cannot be read; mount the token there, or "
                "unset the variable"
            )
        return Path(named)
    return SERVICE_ACCOUNT_TOKEN if os.access(SERVICE_ACCOUNT_TOKEN, os.R_OK) else None


def _volume_token(path: Path | None) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() if path else ""
    except OSError:
        return ""
