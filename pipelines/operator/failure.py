"""What went wrong between us and a server, as one sentence with a way out."""

import json
import re

import kfp_server_api
import urllib3.exceptions as http

from pipelines.operator.access import Access
from pipelines.refusal import SERVER, Refusal

AUDIENCE = "pipelines.kubeflow.org"
"""Whom a service account's token must be made for, unless its installation says otherwise."""

# What the generated client raises when an answer is not what its models say.
GARBAGE = (AttributeError, KeyError, TypeError, ValueError, UnicodeDecodeError)


_NO_TLS = ("WRONG_VERSION_NUMBER", "record layer failure")
"""What OpenSSL says of an answer that is plain HTTP."""


class ServerRefusal(Refusal):
    """The server could not be reached, or said no.

    Attributes:
        status: HTTP status, or 0 when there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        """Take the sentence."""
        super().__init__(message, SERVER)
        self.status = status


def explain(error: Exception, access: Access, doing: str) -> ServerRefusal:
    """The sentence for an error of KFP's client.

    Args:
        error: What was raised.
        access: How the server was asked.
        doing: What was being done, for instance `starting the run`.
    """
    where = access.where
    if isinstance(error, kfp_server_api.ApiException) and error.status:
        text = _answered(error, access, where)
        return ServerRefusal(access.hide(f"{doing}: {text}"), int(error.status))
    return ServerRefusal(access.hide(f"{doing}: {_unanswered(error, access)}"))


def _answered(error: kfp_server_api.ApiException, access: Access, where: str) -> str:
    said = message(error)
    quoted = f" ({said})" if said else ""
    status = int(error.status)
    if status == 401:
        if access.token or access.cookies or access.token_volume:
            if access.token or access.token_volume:
                return (
                    f"{where} does not accept the token{quoted}; most likely expired, or a service "
                    "account's that was not made for KFP: get a new one (kubectl create token NAME "
                    f"--audience {AUDIENCE}) and put it into --token-file or DEFECTORY_TOKEN"
                )
            return (
                f"{where} does not accept the cookies{quoted}; most likely expired: get new ones "
                "and put them into --cookies-file or DEFECTORY_COOKIES"
            )
        return (
            f"{where} wants to know who asks{quoted}: give --token-file, --cookies-file or, "
            "behind a gateway, --user"
        )
    if status == 403:
        return (
            f"{where} does not allow it in namespace {access.namespace!r}{quoted}: check "
            "--namespace, or ask its owner for the rights"
        )
    if status == 404:
        return f"{where} does not have it{quoted}: check the name or id"
    if status == 409:
        return f"{where} has something of this name already{quoted}: choose another name"
    if status in (408, 429, 502, 503, 504):
        return f"{where} is not ready{quoted or f' (HTTP {status})'}: try again in a minute"
    if status >= 500:
        return (
            f"{where} failed{quoted or f' (HTTP {status})'}: look at the log of its pod, "
            "kubectl -n kubeflow logs deploy/ml-pipeline"
        )
    return f"{where} refused{quoted or f' (HTTP {status})'}"


def _unanswered(error: Exception, access: Access) -> str:
    where = access.where
    cause: BaseException = error
    if isinstance(error, http.MaxRetryError) and error.reason is not None:
        cause = error.reason
    if access.endpoint and any(said in str(cause) for said in _NO_TLS):
        plain = access.endpoint.replace("https://", "http://", 1)
        return f"{where} does not speak https: give its address with http, --endpoint {plain}"
    if isinstance(cause, http.SSLError) or "SSLError" in str(cause):
        way = (
            f"check that {access.authority} holds its authority's certificate, as PEM"
            if access.authority
            else "give its authority with --ca FILE"
        )
        return f"the certificate of {where} cannot be trusted ({_short(cause)}): {way}"
    if isinstance(cause, http.NameResolutionError):
        return f"there is no host of the name in {where}: check --endpoint"
    if isinstance(cause, http.ReadTimeoutError):
        return f"{where} did not answer in time: try again, or look at its pods"
    if isinstance(cause, http.LocationParseError | http.LocationValueError | http.ProxyError):
        return f"{where} is no usable address ({_short(cause)}): check --endpoint and proxies"
    if isinstance(cause, http.ProtocolError):
        return (
            f"{where} broke the connection off ({_short(cause)}): is it http where it should be "
            "https, or a port-forward that has ended?"
        )
    if isinstance(cause, http.HTTPError):
        return (
            f"no answer from {where} ({_short(cause)}): check --endpoint; for a server in "
            "a cluster, kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80 and "
            "--endpoint http://localhost:8080"
        )
    return (
        f"{where} answered with something that is not Kubeflow Pipelines ({_short(cause)}): check "
        "--endpoint, and whether a login page is in between (--token-file, --cookies-file)"
    )


def message(error: kfp_server_api.ApiException) -> str:
    """What the server itself said, in one line; empty when it said nothing for people."""
    body = error.body if isinstance(error.body, str) else ""
    try:
        fields = json.loads(body)
    except ValueError:
        return "" if "<" in body else _line(body)
    if not isinstance(fields, dict):
        return ""
    for name in ("message", "error_message", "error"):
        if isinstance(fields.get(name), str):
            return _line(fields[name])
    return ""


def _short(cause: BaseException) -> str:
    # Before the colon stands the name of an object of urllib3 and its address in memory.
    text = re.sub(r"^<[^>]*>:\s*|^\w*\(?[^:()]*object at 0x[0-9a-f]+[^:]*>?\)?:\s*", "", str(cause))
    return _line(text) or type(cause).__name__


def _line(text: str, longest: int = 300) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= longest else joined[: longest - 3] + "..."
