"""Everything that can be wrong between a person and a server ends in a sentence with a way out."""

import json
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Defectory, kubeconfig, set_kubeconfig
from example import detailed
from kfp_backend import Backend, serving

SECRET = "s3cr3t-t0k3n-0123456789"


def _sentence(text: str) -> str:
    """The one line that a failing command says."""
    (line,) = text.splitlines()
    assert "Traceback" not in line
    assert "object at 0x" not in line
    assert len(line) < 600
    return line


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_no_server_named(defectory: Defectory) -> None:
    done = defectory("runs")

    assert done.code == 3
    assert "--endpoint" in _sentence(done.err)
    assert "port-forward" in done.err


def test_nothing_listens(defectory: Defectory) -> None:
    url = f"http://127.0.0.1:{_free_port()}"

    done = defectory("runs", "--endpoint", url)

    assert done.code == 3
    assert f"no answer from {url}" in _sentence(done.err)


def test_no_such_host(defectory: Defectory) -> None:
    done = defectory("runs", "--endpoint", "http://kfp.invalid")

    assert done.code == 3
    assert "kfp.invalid" in _sentence(done.err)


def test_no_usable_address(defectory: Defectory) -> None:
    assert defectory("runs", "--endpoint", "ftp://somewhere").code == 2
    assert defectory("runs", "--endpoint", "http://host:port").code == 3


@pytest.mark.parametrize("page", ["/#/pipelines", "/?ns=team#/runs", "#/runs"])
@pytest.mark.parametrize("option", ["--endpoint", "--ui"])
def test_the_address_of_a_page_of_the_ui_is_told_from_the_servers(
    backend: Backend, defectory: Defectory, option: str, page: str
) -> None:
    done = defectory("runs", "--endpoint", backend.url, option, f"{backend.url}{page}")

    assert done.code == 2
    assert _sentence(done.err).endswith(f", {backend.url}")


def test_blanks_in_an_address(backend: Backend, defectory: Defectory) -> None:
    assert defectory("runs", "--endpoint", f" {backend.url}\n").code == 0

    done = defectory("runs", "--endpoint", "http://kfp example.com")

    assert done.code == 2
    assert "blanks" in _sentence(done.err)


@pytest.mark.parametrize(
    "config",
    [
        "{{{ no yaml",
        # What the client cannot load, it passes over and asks localhost.
        (
            "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
            "clusters: [{name: here, cluster: {server: 'https://127.0.0.1:1', "
            "certificate-authority: /no/such/file}}]\n"
            "users: [{name: ada, user: {token: kubernetes-token}}]\n"
            "contexts: [{name: here, context: {cluster: here, user: ada}}]\n"
        ),
    ],
)
def test_a_configuration_of_kubectl_that_cannot_be_used(
    defectory: Defectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    (tmp_path / "config").write_text(config)
    set_kubeconfig(monkeypatch, tmp_path / "config")

    done = defectory("runs")

    assert done.code == 3
    assert "kubectl" in _sentence(done.err)
    assert "localhost" not in done.err


def test_a_pod_without_a_service_account(
    defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")

    done = defectory("runs")

    assert done.code == 3
    assert "--endpoint" in _sentence(done.err)
    assert "localhost" not in done.err


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "--token-file"),
        (403, "--namespace"),
        (404, "check the name"),
        (429, "try again"),
        (500, "logs deploy/ml-pipeline"),
        (503, "try again"),
    ],
)
def test_errors_of_the_server(
    backend: Backend, defectory: Defectory, status: int, words: str
) -> None:
    backend.fail(r"GET .*/runs$", status, "what the server says", times=9)

    done = defectory("runs", "--endpoint", backend.url)

    assert done.code == 3
    assert words in _sentence(done.err)
    assert "what the server says" in done.err
    assert "listing runs" in done.err


def test_an_expired_token_is_told_and_not_shown(
    backend: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.token = "a new one"
    monkeypatch.setenv("DEFECTORY_TOKEN", SECRET)

    done = defectory("runs", "--endpoint", backend.url)

    assert done.code == 3
    assert "expired" in _sentence(done.err)
    assert "--audience pipelines.kubeflow.org" in _sentence(done.err)
    assert SECRET not in done.err + done.out


def test_a_server_that_repeats_the_token_does_not_get_it_printed(
    backend: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.fail(r"GET .*/healthz", 401, f"bad token {SECRET}", times=9)
    monkeypatch.setenv("DEFECTORY_TOKEN", SECRET)

    done = defectory("runs", "--endpoint", backend.url)

    assert done.code == 3
    assert "bad token ***" in _sentence(done.err)


def test_no_credentials_where_some_are_needed(backend: Backend, defectory: Defectory) -> None:
    backend.token = SECRET

    done = defectory("runs", "--endpoint", backend.url)

    assert done.code == 3
    assert "who asks" in _sentence(done.err)


@pytest.mark.parametrize(
    "option", ["--token", "--existing-token", "--cookies", "--token=", "--cookies="]
)
def test_secrets_are_not_taken_as_arguments(defectory: Defectory, option: str) -> None:
    words = [option + SECRET] if option.endswith("=") else [option, SECRET]

    done = defectory("runs", "--endpoint", "http://127.0.0.1:1", *words)

    assert done.code == 2
    assert "--token-file" in done.err
    assert SECRET not in done.err + done.out


def test_a_secret_in_place_of_its_files_name_is_not_repeated(defectory: Defectory) -> None:
    done = defectory("runs", "--endpoint", "http://127.0.0.1:1", "--token-file", SECRET)

    assert done.code == 2
    assert "--token-file" in done.err
    assert SECRET not in done.err


@pytest.mark.parametrize("secret", [f"{SECRET[:9]}\n{SECRET[9:]}", f"{SECRET}\u20ac"])
@pytest.mark.parametrize("variable", ["DEFECTORY_TOKEN", "DEFECTORY_COOKIES"])
def test_a_secret_that_no_request_can_carry_is_refused_and_not_repeated(
    backend: Backend,
    defectory: Defectory,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
    secret: str,
) -> None:
    (tmp_path / "secret").write_text(secret)
    option = variable.replace("DEFECTORY_", "--").lower() + "-file"
    filed = defectory("runs", "--endpoint", backend.url, option, str(tmp_path / "secret"))
    monkeypatch.setenv(variable, secret)
    found = defectory("runs", "--endpoint", backend.url)

    for done, name in ((filed, option), (found, variable)):
        assert done.code == 2
        assert name in _sentence(done.err)
        assert SECRET[:9] not in done.err
    assert backend.requests == []


def test_a_users_name_that_no_request_can_carry(backend: Backend, defectory: Defectory) -> None:
    done = defectory("runs", "--endpoint", backend.url, "--user", "ada\nbob")

    assert done.code == 2
    assert "--user" in _sentence(done.err)


def test_the_wrong_namespace(backend: Backend, defectory: Defectory) -> None:
    backend.multi_user = True

    none = defectory("runs", "--endpoint", backend.url)
    wrong = defectory("runs", "--endpoint", backend.url, "--namespace", "others")
    right = defectory("runs", "--endpoint", backend.url, "--namespace", "team")

    assert (none.code, wrong.code, right.code) == (2, 3, 0)
    assert "--namespace" in _sentence(none.err)
    assert "'others'" in _sentence(wrong.err)


@pytest.mark.parametrize("version", ["2.5.0", "2.16.1", "1.8.22", "3.0.0"])
def test_a_server_of_another_version(backend: Backend, defectory: Defectory, version: str) -> None:
    backend.version = version

    done = defectory("runs", "--endpoint", backend.url)

    assert done.code == 3
    assert version in _sentence(done.err)
    assert "2.17" in done.err


@pytest.mark.parametrize("version", ["2.17.0", "2.18.1", "v2.17.3", "unknown", ""])
def test_a_server_that_will_do(backend: Backend, defectory: Defectory, version: str) -> None:
    backend.version = version

    assert defectory("runs", "--endpoint", backend.url).code == 0


def test_a_server_without_the_v2_api(backend: Backend, defectory: Defectory) -> None:
    backend.fail(r"GET .*/v2beta1/", 404, "Not Found", times=9)

    done = defectory("runs", "--endpoint", backend.url)

    assert done.code == 3
    assert "2.17" in _sentence(done.err)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<!doctype html><title>Log in</title>", "text/html"),
        (b"null", "application/json"),
        (b'["a"]', "application/json"),
        (b'{"status": "ok"}', "application/json"),
        (b"\xff\xfe\x00", "application/octet-stream"),
        (b"", "text/plain"),
    ],
)
def test_something_else_answers(
    backend: Backend, defectory: Defectory, body: bytes, kind: str
) -> None:
    backend.answer(r"GET ", body, kind)

    done = defectory("runs", "--endpoint", backend.url)

    assert done.code == 3
    assert "not Kubeflow Pipelines" in _sentence(done.err)


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"runs": "many"}', b'{"runs": [{"created_at": 5}]}', b"\xff"]
)
def test_garbage_later_on(backend: Backend, defectory: Defectory, body: bytes) -> None:
    backend.answer(r"GET .*/runs$", body, "application/json")

    done = defectory("runs", "--endpoint", backend.url)

    assert done.code == 3
    _sentence(done.err)


def test_errors_that_are_no_text(backend: Backend, defectory: Defectory) -> None:
    backend.answer(r"GET .*/runs$", b"\xff\xfe", "application/octet-stream", status=500)

    done = defectory("runs", "--endpoint", backend.url)

    assert done.code == 3
    _sentence(done.err)


def test_a_server_that_does_not_answer_in_time(
    backend: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.dawdle(r"GET .*/runs$", 3.0)
    monkeypatch.setenv("DEFECTORY_ANSWER_SECONDS", "1")

    done = defectory("runs", "--endpoint", backend.url)

    assert done.code == 3
    assert "in time" in _sentence(done.err)


def test_a_connection_that_breaks_off(backend: Backend, defectory: Defectory) -> None:
    for _ in range(9):
        backend.hang_up(r"POST ")

    done = defectory(
        "schedule", "create", "n", "--cron", "@daily", "--endpoint", backend.url, "--pipeline", "x"
    )
    assert done.code == 2  # there is no such pipeline, and nothing was posted
    done = defectory("deploy", "--profile", "kind", "--version", "v", "--endpoint", backend.url)

    assert done.code == 3
    _sentence(done.err)


def test_a_certificate_that_nobody_vouches_for(defectory: Defectory, tmp_path: Path) -> None:
    context = _self_signed(tmp_path)
    with serving(Backend(), context) as secured:
        refused = defectory("runs", "--endpoint", secured.url)
        vouched = defectory("runs", "--endpoint", secured.url, "--ca", str(tmp_path / "cert.pem"))
        trusting = defectory("runs", "--endpoint", secured.url, "--insecure")

    assert (refused.code, vouched.code, trusting.code) == (3, 0, 0), vouched.err + trusting.err
    assert "--ca" in _sentence(refused.err)
    assert vouched.err == trusting.err == ""


def test_a_file_that_is_no_certificate(defectory: Defectory, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")

    with serving(Backend(), _self_signed(tmp_path)) as secured:
        done = defectory("runs", "--endpoint", secured.url, "--ca", str(tmp_path / "no.pem"))

    assert done.code == 3
    assert f"check that {tmp_path / 'no.pem'}" in _sentence(done.err)


def test_plain_http_asked_of_a_tls_server(defectory: Defectory, tmp_path: Path) -> None:
    with serving(Backend(), _self_signed(tmp_path)) as secured:
        done = defectory("runs", "--endpoint", secured.url.replace("https", "http"))

    assert done.code == 3
    _sentence(done.err)


@pytest.mark.parametrize("scheme", ["", "https://"])
def test_https_asked_of_a_plain_server(backend: Backend, defectory: Defectory, scheme: str) -> None:
    host = backend.url.removeprefix("http://")

    done = defectory("runs", "--endpoint", f"{scheme}{host}")

    assert done.code == 3
    assert f"give its address with http, --endpoint http://{host}" in _sentence(done.err)
    assert "certificate" not in done.err


def test_names_that_a_terminal_cannot_show_are_written_otherwise(backend: Backend) -> None:
    backend.runs["r"] = {
        "run_id": "11111111-2222-3333-4444-555555555555", "display_name": "Gie\u00dferei \u2603",
        "experiment_id": "e", "state": "SUCCEEDED", "storage_state": "AVAILABLE",
        "created_at": backend.now(), "finished_at": backend.now(),
    }  # fmt: skip
    command = [sys.executable, "-m", "pipelines.cli", "runs", "--endpoint", backend.url]

    done = subprocess.run(
        command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert rb"Gie\xdferei \u2603" in done.stdout


def test_an_id_that_is_not_there(backend: Backend, defectory: Defectory) -> None:
    whole = "11111111-2222-3333-4444-555555555555"

    done = [defectory(what, name, "--endpoint", backend.url)
            for what in ("runs", "logs") for name in (whole, "nightly-1")]  # fmt: skip

    assert [one.code for one in done] == [3, 2, 3, 2]
    assert all(whole in one.err or "defectory runs" in one.err for one in done)


def test_a_conflict_that_is_no_race(deployed: Backend, defectory: Defectory) -> None:
    deployed.fail(r"POST .*/runs$", 409, "name taken")

    done = defectory("submit", "--endpoint", deployed.url)

    assert done.code == 3
    assert "another name" in _sentence(done.err)


PASSWORDS = (
    "https://admin:hunter22@kfp.example.com",
    "admin:hunter22@kfp.example.com",
    "ftp://admin:hunter22@kfp.example.com",
    "admin:hunter/22@kfp.example.com/?next=http://other",
)


@pytest.mark.parametrize("address", PASSWORDS)
@pytest.mark.parametrize(
    ("option", "variable"),
    [("--endpoint", "KF_PIPELINES_ENDPOINT"), ("--ui", "KF_PIPELINES_UI_ENDPOINT")],
)
def test_a_password_in_the_servers_address_is_refused_and_not_repeated(
    backend: Backend,
    defectory: Defectory,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    option: str,
    variable: str,
) -> None:
    given = defectory("runs", "--endpoint", backend.url, option, address)
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", backend.url)
    monkeypatch.setenv(variable, address)
    found = defectory("runs")

    for done in (given, found):
        assert done.code == 2
        assert option in _sentence(done.err)
        assert variable in done.err
        assert "hunter" not in done.err + done.out
    assert backend.requests == []


def test_the_uis_address_is_checked_too(backend: Backend, defectory: Defectory) -> None:
    done = defectory("runs", "--endpoint", backend.url, "--ui", "ftp://somewhere")

    assert done.code == 2
    assert "--ui ftp://somewhere" in _sentence(done.err)


# --- the ways to say who asks ---


def test_a_token_from_a_file(backend: Backend, defectory: Defectory, tmp_path: Path) -> None:
    backend.token = SECRET
    (tmp_path / "token").write_text(f"{SECRET}\n")

    done = defectory("runs", "--endpoint", backend.url, "--token-file", str(tmp_path / "token"))

    assert done.code == 0, done.err


def test_cookies_from_the_environment(
    backend: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.cookie = f"authservice_session={SECRET}"
    monkeypatch.setenv("DEFECTORY_COOKIES", backend.cookie)

    assert defectory("runs", "--endpoint", backend.url).code == 0


def test_a_service_accounts_token_is_read_anew(
    deployed: Backend, defectory: Defectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("first token")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token))
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", deployed.url)
    deployed.token = "first token"
    assert defectory("runs").code == 0

    token.write_text("second token")
    deployed.token = "second token"

    assert defectory("runs").code == 0


def test_a_missing_service_accounts_token(
    defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", "/no/such/token")

    done = defectory("runs", "--endpoint", "http://127.0.0.1:1")

    assert done.code == 2
    assert "KF_PIPELINES_SA_TOKEN_PATH" in _sentence(done.err)


def test_the_users_name_as_a_gateway_sends_it(backend: Backend, defectory: Defectory) -> None:
    defectory("runs", "--endpoint", backend.url, "--user", "ada@example.org")

    assert backend.headers[-1]["kubeflow-userid"] == "ada@example.org"


def test_a_token_is_sent_to_nobody_but_the_address_given(
    defectory: Defectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFECTORY_TOKEN", SECRET)
    kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    set_kubeconfig(monkeypatch, tmp_path / "config")

    done = defectory("runs")

    assert done.code == 3
    assert "--endpoint" in _sentence(done.err)


def test_the_current_kubectl_context_is_the_default(
    backend: Backend, defectory: Defectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxied = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"
    kubeconfig(tmp_path / "config", backend.url)
    set_kubeconfig(monkeypatch, tmp_path / "config")

    done = defectory("runs")

    assert done.code == 0, done.err
    assert all(path.startswith(f"{proxied}/apis/") for _, path in backend.requests)
    assert backend.headers[-1]["authorization"] == "Bearer kubernetes-token"


@pytest.mark.parametrize("noted", ["https://kfp.example.com", "https://kfp.example.com/", ""])
def test_without_an_endpoint_links_go_where_the_cluster_says_its_ui_is(
    backend: Backend, defectory: Defectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    noted: str,
) -> None:  # fmt: skip
    run = detailed(backend)
    kubeconfig(tmp_path / "config", backend.url)
    set_kubeconfig(monkeypatch, tmp_path / "config")
    place = f"#/runs/details/{run['run_id']}"
    if noted:
        route = "/api/v1/namespaces/kubeflow/configmaps/defectory"
        backend.config_maps[route] = {"DEFECTORY_UI_URL": noted}

    done = defectory("runs", "--json")

    assert done.code == 0, done.err
    (listed,) = json.loads(done.out)
    assert listed["link"] == (f"https://kfp.example.com/{place}" if noted else place)


def _self_signed(folder: Path) -> ssl.SSLContext:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
