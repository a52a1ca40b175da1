"""A server that speaks KFP's v2beta1 API as 2.17 does, for the real client over HTTP.

Bodies and answers are checked against the generated models of `kfp_server_api`, filters and sort
keys against what the backend knows, parameters against the package, cron expressions against
robfig/cron 1.2, names and descriptions against the widths of MySQL's columns; what the backend
refuses is refused here. Names are compared as MySQL does, without case and accents.
"""

import datetime
import io
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import kube_backend
from kfp_checks import (
    Refused,
    check_cron,
    check_generated,
    check_length,
    check_letters,
    checked,
    decoded_again,
    model,
    multipart,
    need,
    read_documents,
    same,
    struct,
)
from kube_backend import Break, send

_THROUGH = re.compile(r"/api/v1/namespaces/kubeflow/services/(ml-pipeline(?:-ui)?):http/proxy(/.*)")
"""Ways of Kubernetes' API to KFP's, and to its UI's server."""

NEVER = "1970-01-01T00:00:00Z"
_FILTERS = {
    "runs": {"run_id", "display_name", "created_at", "state", "storage_state", "recurring_run_id"},
    "recurringruns": {"recurring_run_id", "display_name", "created_at", "updated_at"},
    "pipelines": {"pipeline_id", "display_name", "name", "created_at", "namespace"},
    "versions": {"pipeline_version_id", "display_name", "name", "created_at"},
    "experiments": {"experiment_id", "display_name", "created_at", "namespace"},
}


@dataclass
class Fault:
    """What goes wrong with requests whose method and path match, so many times."""

    pattern: str
    act: Callable[[BaseHTTPRequestHandler], None]
    times: int = 1
    answers: bool = True


@dataclass
class Backend:
    """The server's state, and what it was asked."""

    multi_user: bool = False
    version: str = "2.17.0"
    token: str = ""
    cookie: str = ""
    allowed: frozenset[str] = frozenset({"team"})
    page: int = 2
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    recurring: dict[str, dict[str, Any]] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    """Schedules that run in Kubernetes and are in no list: their rows did not fit."""
    scripts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """For a run, what each further look at it finds."""
    next_script: list[dict[str, Any]] = field(default_factory=list)
    """The script of the next run that is made."""
    logs: dict[str, str] = field(default_factory=dict)
    """Logs of pods, as the API server finds them."""
    archived: dict[str, str] = field(default_factory=dict)
    """Logs of pods that only the UI's server finds."""
    kept: dict[str, str] = field(default_factory=dict)
    """Files of the object store, by their addresses, which the UI's server gives."""
    pods: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Pods that Kubernetes has, by namespace."""
    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    """Data of ConfigMaps of Kubernetes, by their route."""
    workflows: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Argo's workflows by run, which the older API gives."""
    next_workflow: dict[str, Any] | None = None
    """The workflow of the next run that is made."""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    _clock: int = 0

    def now(self) -> str:
        """A time later than every one before."""
        self._clock += 1
        begin = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
        return (begin + datetime.timedelta(seconds=self._clock)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def asked(self, method: str, pattern: str) -> int:
        """How many requests there were of this kind."""
        return sum(
            m == method and re.search(pattern, path) is not None for m, path in self.requests
        )

    def fail(self, pattern: str, status: int, message: str = "", times: int = 1) -> None:
        """Answer the next requests of a kind with an error as grpc-gateway writes it."""
        body = json.dumps({"code": 2, "message": message, "details": []}).encode()
        self.faults.append(Fault(pattern, lambda handler: send(handler, status, body), times))

    def answer(self, pattern: str, body: bytes, kind: str, status: int = 200) -> None:
        """Answer all requests of a kind with something else."""
        self.faults.append(Fault(pattern, lambda handler: send(handler, status, body, kind), 10**6))

    def dawdle(self, pattern: str, seconds: float) -> None:
        """Let requests of a kind wait."""
        self.faults.append(Fault(pattern, lambda _: time.sleep(seconds), 10**6, answers=False))

    def change_after(self, pattern: str, requests: int, change: Callable[[], None]) -> None:
        """Change something once so many requests of a kind have come."""
        left = iter(range(requests - 1))

        def act(_: BaseHTTPRequestHandler) -> None:
            if next(left, None) is None:
                change()

        self.faults.append(Fault(pattern, act, 10**6, answers=False))

    def lose(self, pattern: str, *, ever_after: bool = False) -> None:
        """Do what the next request of a kind asks, and lose the answer.

        Args:
            pattern: What the method and the path match.
            ever_after: Whether every later request is answered with an error.
        """

        def act(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile = io.BytesIO()
            handler.close_connection = True
            if ever_after:
                self.fail(r"", 503, times=10**6)

        self.faults.append(Fault(pattern, act, 1, answers=False))

    def break_off(self, pattern: str, how: Break, times: int = 1) -> None:
        """Let the next logs of pods of a kind end in another way than with their last line."""

        def act(handler: BaseHTTPRequestHandler) -> None:
            split = urlsplit(handler.path)
            query = {name: values[-1] for name, values in parse_qs(split.query).items()}
            kube_backend.answer(handler, self.pods, unquote(split.path), query, how)

        self.faults.append(Fault(pattern, act, times))

    def hang_up(self, pattern: str) -> None:
        """Close the connection on the next request of a kind."""

        def act(handler: BaseHTTPRequestHandler) -> None:
            handler.close_connection = True
            handler.connection.close()

        self.faults.append(Fault(pattern, act, 1))


@contextmanager
def serving(backend: Backend, context: Any = None) -> Iterator[Backend]:
    """Serve a backend on a free port for as long as the context lasts."""

    class Handler(_Handler):
        pass

    Handler.backend = backend
    server = _Quiet(("127.0.0.1", 0), Handler)
    scheme = "http"
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    backend.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield backend
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    backend: Backend
    protocol_version = "HTTP/1.1"
    # Else every piece of an answer waits until the one before is acknowledged.
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        backend = self.backend
        split = urlsplit(self.path)
        path = unquote(split.path)
        if through := _THROUGH.fullmatch(path):
            path = through[2]
            if through[1] == "ml-pipeline" and not path.startswith("/apis/"):
                return send(self, 404, b"404 page not found", "text/plain")
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        backend.requests.append((method, self.path))
        backend.headers.append({name.lower(): value for name, value in self.headers.items()})
        for fault in list(backend.faults):
            if fault.times and re.search(fault.pattern, f"{method} {path}"):
                fault.times -= 1
                fault.act(self)
                if fault.answers:
                    return
        try:
            if data := backend.config_maps.get(path):
                found = {"kind": "ConfigMap", "apiVersion": "v1", "data": data}
                return send(self, 200, json.dumps(found).encode())
            if path.startswith("/api/v1/namespaces/"):
                return kube_backend.answer(self, self.backend.pods, path, query)
            if path == "/artifacts/get":
                self._authenticate()
                return self._file(query)
            if path in ("/k8s/pod/logs",) or path.startswith("/apis/v1alpha1/"):
                self._authenticate()
                return self._log(path, query)
            self._authenticate()
            answer = self._route(method, path, query, body)
            send(self, 200, json.dumps(answer).encode())
        except Refused as refused:
            if refused.form == "upload":
                error = {"error_message": str(refused), "error_details": str(refused)}
            else:
                error = {"code": 3, "message": str(refused), "details": []}
            send(self, refused.status, json.dumps(error).encode())

    # --- who asks ---

    def _authenticate(self) -> None:
        backend = self.backend
        if backend.token and self.headers.get("Authorization") != f"Bearer {backend.token}":
            raise Refused(401, "Request header error: token is invalid or expired")
        if backend.cookie and self.headers.get("Cookie") != backend.cookie:
            raise Refused(401, "Request header error: there is no user identity header")

    def _namespace(self, given: str | None) -> str:
        """As ReplaceNamespace and the authorisation of the backend."""
        if not self.backend.multi_user:
            return ""
        if not given:
            raise Refused(400, "Invalid input error: a namespace is required in multi-user mode")
        if given not in self.backend.allowed:
            raise Refused(
                403, f"User 'ada' is not authorized with reason: (namespace {given}, verb list)"
            )
        return given

    # --- the API ---

    def _route(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        if older := re.fullmatch(r"/apis/v1beta1/runs/([^/:]+)", path):
            return self._workflow(older[1])
        api = "/apis/v2beta1"
        if not path.startswith(api):
            raise Refused(404, "Not Found")
        rest = path[len(api) :]
        table: list[tuple[str, str, Callable[..., Any]]] = [
            ("GET", r"/healthz", self._health),
            ("GET", r"/experiments", self._list_experiments),
            ("POST", r"/experiments", self._create_experiment),
            ("GET", r"/pipelines", self._list_pipelines),
            ("POST", r"/pipelines", self._create_pipeline),
            ("POST", r"/pipelines/upload_version", self._upload_version),
            ("GET", r"/pipelines/([^/]+)/versions", self._list_versions),
            ("GET", r"/pipelines/([^/]+)/versions/([^/]+)", self._get_version),
            ("GET", r"/runs", self._list_runs),
            ("POST", r"/runs", self._create_run),
            ("GET", r"/runs/([^/:]+)", self._get_run),
            ("GET", r"/recurringruns", self._list_recurring),
            ("POST", r"/recurringruns", self._create_recurring),
            ("POST", r"/recurringruns/([^/:]+):(enable|disable)", self._switch_recurring),
            ("DELETE", r"/recurringruns/([^/:]+)", self._delete_recurring),
        ]
        for wanted, pattern, act in table:
            if wanted == method and (match := re.fullmatch(pattern, rest)):
                return act(*match.groups(), query=query, body=body)
        raise Refused(404, f"Not Found: {method} {path}")

    def _health(self, query: dict[str, str], body: bytes) -> Any:
        return {
            "commit_sha": "7b70c7b9",
            "tag_name": self.backend.version,
            "multi_user": self.backend.multi_user,
        }

    def _list_experiments(self, query: dict[str, str], body: bytes) -> Any:
        space = self._namespace(query.get("namespace"))
        found = [one for one in self.backend.experiments.values() if one["namespace"] == space]
        return self._list("experiments", "experiments", found, query, "V2beta1Experiment")

    def _create_experiment(self, query: dict[str, str], body: bytes) -> Any:
        wanted = model(body, "V2beta1Experiment")
        space = self._namespace(wanted.get("namespace"))
        need(wanted, "display_name")
        check_length("Experiment.Name", wanted["display_name"].encode(), 128)
        if any(
            same(one["display_name"], wanted["display_name"]) and one["namespace"] == space
            for one in self.backend.experiments.values()
        ):
            raise Refused(409, f"Experiment {wanted['display_name']} already exists")
        made = wanted | {
            "experiment_id": str(uuid.uuid4()),
            "namespace": space,
            "created_at": self.backend.now(),
        }
        self.backend.experiments[made["experiment_id"]] = made
        return checked(made, "V2beta1Experiment")

    def _list_pipelines(self, query: dict[str, str], body: bytes) -> Any:
        # Without a namespace a multi-user server lists the pipelines that all share.
        space = self._namespace(query["namespace"]) if query.get("namespace") else ""
        found = [one for one in self.backend.pipelines.values() if one["namespace"] == space]
        return self._list("pipelines", "pipelines", found, query, "V2beta1Pipeline")

    def _create_pipeline(self, query: dict[str, str], body: bytes) -> Any:
        wanted = model(body, "V2beta1Pipeline")
        space = self._namespace(wanted["namespace"]) if wanted.get("namespace") else ""
        if not wanted.get("display_name") and not wanted.get("name"):
            raise Refused(400, "pipeline's name cannot be empty")
        name = wanted.get("name") or wanted["display_name"]
        check_length("Pipeline.Name", name.encode(), 128)
        if any(
            same(one["name"], name) and one["namespace"] == space
            for one in self.backend.pipelines.values()
        ):
            raise Refused(409, f"The name {name} already exists. Please specify a new name")
        made = wanted | {
            "pipeline_id": str(uuid.uuid4()),
            "name": name,
            "display_name": wanted.get("display_name") or name,
            "namespace": space,
            "created_at": self.backend.now(),
        }
        self.backend.pipelines[made["pipeline_id"]] = made
        return checked(made, "V2beta1Pipeline")

    def _upload_version(self, query: dict[str, str], body: bytes) -> Any:
        if set(query) - {"name", "display_name", "pipelineid", "description", "tags"}:
            raise Refused(400, f"unknown query {sorted(query)}", "upload")
        file = multipart(self.headers["Content-Type"], body)
        pipeline = self.backend.pipelines.get(query.get("pipelineid", ""))
        if pipeline is None:
            raise Refused(400, "Failed to create a pipeline version", "upload")
        if len(self.path) > 12000:
            raise Refused(431, "Request Header Fields Too Large", "upload")
        spec = read_documents(file)
        if not {"pipelineInfo", "root", "deploymentSpec"} <= set(spec.get("pipeline_spec", spec)):
            raise Refused(400, "unknown template format: not a pipeline spec", "upload")
        name = query["name"]
        if len(name.encode()) > 127:
            raise Refused(400, "PipelineVersion.Name length cannot exceed 127", "upload")
        if any(
            same(one["name"], name) and one["pipeline_id"] == pipeline["pipeline_id"]
            for one in self.backend.versions.values()
        ):
            raise Refused(409, "Failed to create a pipeline version", "upload")
        made = {
            "pipeline_id": pipeline["pipeline_id"],
            "pipeline_version_id": str(uuid.uuid4()),
            "name": name,
            "display_name": name,
            "description": query.get("description", ""),
            "created_at": self.backend.now(),
            "pipeline_spec": struct(spec),
        }
        self.backend.versions[made["pipeline_version_id"]] = made
        return checked(made, "V2beta1PipelineVersion")

    def _list_versions(self, pipeline: str, query: dict[str, str], body: bytes) -> Any:
        if pipeline not in self.backend.pipelines:
            raise Refused(404, f"Pipeline {pipeline} not found")
        found = [one for one in self.backend.versions.values() if one["pipeline_id"] == pipeline]
        return self._list("versions", "pipeline_versions", found, query, "V2beta1PipelineVersion")

    def _get_version(self, pipeline: str, version: str, query: dict[str, str], body: bytes) -> Any:
        found = self.backend.versions.get(version)
        if found is None or found["pipeline_id"] != pipeline:
            raise Refused(404, f"PipelineVersion {version} not found")
        return checked(found, "V2beta1PipelineVersion")

    def _list_runs(self, query: dict[str, str], body: bytes) -> Any:
        space = self._namespace(query.get("namespace"))
        found = [
            one
            for one in self.backend.runs.values()
            if self.backend.experiments.get(one["experiment_id"], {"namespace": space})["namespace"]
            == space
        ]
        return self._list("runs", "runs", found, query, "V2beta1Run")

    def _create_run(self, query: dict[str, str], body: bytes) -> Any:
        wanted = model(body, "V2beta1Run")
        need(wanted, "display_name")
        if wanted.get("experiment_id") not in self.backend.experiments:
            raise Refused(400, f"Experiment {wanted.get('experiment_id')} not found")
        version = self._version(wanted)
        self._check_values(version, wanted)
        try:
            check_letters(json.dumps(wanted, ensure_ascii=False))
            for column in ("display_name", "service_account"):
                check_length(f"Run.{column}", wanted.get(column, ""), 255)
        except Refused:
            self.backend.orphans.append(wanted["display_name"])
            raise
        made = wanted | {
            "run_id": str(uuid.uuid4()),
            "state": "PENDING",
            "storage_state": "AVAILABLE",
            "created_at": self.backend.now(),
            "scheduled_at": NEVER,
            "finished_at": NEVER,
        }
        self.backend.runs[made["run_id"]] = made
        self.backend.scripts[made["run_id"]] = self.backend.next_script
        if self.backend.next_workflow is not None:
            self.backend.workflows[made["run_id"]] = self.backend.next_workflow
        self.backend.next_script = []
        return checked(made, "V2beta1Run")

    def _get_run(self, identity: str, query: dict[str, str], body: bytes) -> Any:
        found = self.backend.runs.get(identity)
        if found is None:
            raise Refused(404, f"Run {identity} not found")
        script = self.backend.scripts.get(identity)
        if script:
            found |= script.pop(0)
        return checked(found, "V2beta1Run")

    def _list_recurring(self, query: dict[str, str], body: bytes) -> Any:
        space = self._namespace(query.get("namespace"))
        found = [one for one in self.backend.recurring.values() if one["namespace"] == space]
        return self._list("recurringruns", "recurringRuns", found, query, "V2beta1RecurringRun")

    def _create_recurring(self, query: dict[str, str], body: bytes) -> Any:
        wanted = model(body, "V2beta1RecurringRun")
        need(wanted, "display_name")
        space = self._namespace(wanted.get("namespace"))
        if not 1 <= int(wanted.get("max_concurrency", "0")) <= 10:
            raise Refused(
                400, "Max concurrency of a recurring run must be at least 1 and at most 10"
            )
        cron = wanted.get("trigger", {}).get("cron_schedule", {}).get("cron")
        if cron is None:
            raise Refused(400, "no trigger")
        check_cron(cron)
        self._check_values(self._version(wanted), wanted)
        check_generated(wanted["display_name"])
        try:
            check_letters(json.dumps(wanted, ensure_ascii=False))
            for column in ("display_name", "description", "service_account"):
                check_length(f"Job.{column}", wanted.get(column, ""), 255)
        except Refused:
            # The object in Kubernetes is made before the row, and not taken back.
            self.backend.orphans.append(wanted["display_name"])
            raise
        enabled = wanted.get("mode") == "ENABLE"
        made = wanted | {
            "recurring_run_id": str(uuid.uuid4()),
            "namespace": space,
            "status": "ENABLED" if enabled else "DISABLED",
            "created_at": self.backend.now(),
        }
        self.backend.recurring[made["recurring_run_id"]] = made
        return checked(made, "V2beta1RecurringRun")

    def _switch_recurring(self, identity: str, how: str, query: dict[str, str], body: bytes) -> Any:
        found = self.backend.recurring.get(identity)
        if found is None:
            raise Refused(404, f"Recurring run {identity} not found")
        found |= {"mode": how.upper(), "status": f"{how.upper()}D"}
        return {}

    def _delete_recurring(self, identity: str, query: dict[str, str], body: bytes) -> Any:
        if identity not in self.backend.recurring:
            raise Refused(404, f"Recurring run {identity} not found")
        del self.backend.recurring[identity]
        if query.get("propagation_policy") != "ORPHAN":
            # Kubernetes removes what belongs to the schedule, runs that are going on too.
            for run in self.backend.runs.values():
                if run.get("recurring_run_id") == identity and run["state"] == "RUNNING":
                    run["state"] = "FAILED"
        return {}

    # --- shared ---

    def _version(self, wanted: dict[str, Any]) -> dict[str, Any]:
        reference = wanted.get("pipeline_version_reference") or {}
        pipeline, version = reference.get("pipeline_id"), reference.get("pipeline_version_id")
        if version:
            found = self.backend.versions.get(version)
            if found is None or found["pipeline_id"] != pipeline:
                raise Refused(400, f"Pipeline version {version} not found")
            return found
        several = [one for one in self.backend.versions.values() if one["pipeline_id"] == pipeline]
        if not several:
            raise Refused(400, "Cannot create a job with an empty pipeline ID")
        return max(several, key=lambda one: one["created_at"])

    def _check_values(self, version: dict[str, Any], wanted: dict[str, Any]) -> None:
        spec = version["pipeline_spec"]
        known = spec.get("pipeline_spec", spec)["root"]["inputDefinitions"]["parameters"]
        given = (wanted.get("runtime_config") or {}).get("parameters") or {}
        kinds = {
            "STRING": str, "BOOLEAN": bool, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": (int, float),
        }  # fmt: skip
        for name, value in given.items():
            if name not in known:
                raise Refused(400, f"parameter {name} is not among the pipeline's inputs")
            kind = known[name]["parameterType"]
            if not isinstance(value, kinds[kind]) or (kind != "BOOLEAN" and value is True):
                raise Refused(400, f"parameter {name} is {value!r}, not a {kind}")
        for name, about in known.items():
            if "defaultValue" not in about and not about.get("isOptional") and name not in given:
                raise Refused(400, f"required parameter {name} is missing")

    def _list(
        self, kind: str, name: str, found: list[dict[str, Any]], query: dict[str, str], model: str
    ) -> Any:
        wanted = json.loads(decoded_again(query.get("filter") or "{}"))
        for predicate in wanted.get("predicates", []):
            key, value = predicate["key"], predicate["stringValue"]
            check_letters(value)
            if key not in _FILTERS[kind]:
                raise Refused(400, f"Invalid input error: no field {key} to filter by")
            fits = {
                "EQUALS": same,
                "NOT_EQUALS": lambda one, other: not same(one, other),
                "IS_SUBSTRING": lambda one, other: other.lower() in one.lower(),
            }[predicate["operation"]]
            found = [one for one in found if fits(str(one.get(key, "")), value)]
        if order := query.get("sort_by"):
            key, _, direction = order.partition(" ")
            if key not in _FILTERS[kind] or direction not in ("", "asc", "desc"):
                raise Refused(400, f"Invalid sorting field: {order}")
            found = sorted(found, key=lambda one: str(one[key]), reverse=direction == "desc")
        start = int(query.get("page_token") or 0)
        size = min(int(query.get("page_size") or self.backend.page), self.backend.page)
        answer: dict[str, Any] = {"total_size": len(found)}
        if found[start : start + size]:
            answer[name] = [checked(one, model) for one in found[start : start + size]]
        if start + size < len(found):
            answer["next_page_token"] = str(start + size)
        return checked(answer, f"V2beta1List{model.removeprefix('V2beta1')}sResponse")

    def _log(self, path: str, query: dict[str, str]) -> None:
        if path == "/k8s/pod/logs":
            text = self.backend.archived.get(query["podname"])
            if text is None:
                return send(self, 500, b"Could not get main container logs: Error", "text/html")
            return send(self, 200, text.encode(), "text/plain")
        match = re.fullmatch(r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", path)
        text = self.backend.logs.get(match[2]) if match else None
        if text is None:
            # The backend writes 200 before it looks for the pod.
            text = json.dumps({"error_message": "Failed to read logs", "error_details": ""})
        send(self, 200, text.encode(), "text/plain")

    def _file(self, query: dict[str, str]) -> None:
        text = self.backend.kept.get(f"{query['source']}://{query['bucket']}/{query['key']}")
        if text is None:
            return send(self, 404, b"No objects found", "text/html")
        send(self, 200, text.encode(), "")

    # --- the older API ---

    def _workflow(self, identity: str) -> Any:
        if identity not in self.backend.workflows:
            raise Refused(404, f"Run {identity} not found")
        manifest = json.dumps(self.backend.workflows[identity])
        return {"run": {"id": identity}, "pipeline_runtime": {"workflow_manifest": manifest}}
