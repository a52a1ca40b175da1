"""A run's beginning and end: gate, publication, final status; on a real store, MLflow and HTTP."""

import errno
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.base_model.resolve import embedded
from components.fid_evaluation.weights import VARIABLE
from components.final_status.close import close_run
from components.final_status.webhook import WEBHOOK
from components.gate import contents
from components.gate.edge import open_run
from components.gate.origin import origin
from components.history import History, Note
from components.kubeflow import HOST, PORT
from components.publication.publish import publish
from components.retry import PAUSE, TRIES
from components.store import RECORD
from components.task import RUN, SPOOL, STORE
from pipelines.config import Config
from pipelines.overrides import override
from pipelines.presets import preset
from pipelines.size import ClusterConfig

CONFIG = preset("smoke")
SECRET = "T0K3N/in/the/path"
FILES = ("base_model", "mask_rcnn", "fid_evaluation")
"""Steps whose settings can name a file."""


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORE, str(tmp_path / "store"))
    monkeypatch.setenv(TRIES, "2")
    monkeypatch.setenv(PAUSE, "0.001")
    for name in (
        SPOOL,
        RUN,
        WEBHOOK,
        "MLFLOW_TRACKING_URI",
        "MLFLOW_RUN_ID",
        "DEFECTORY_UI_URL",
        HOST,
        VARIABLE,
    ):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Opened:
    proceed: bool
    photos: str
    fractions: str
    config: dict[str, Any]
    page: str
    files: dict[str, str]


def _open(
    folder: Path,
    run: str,
    *,
    data: str = "data.dvc",
    digest: str = "sha256:1",
    package: str = "code 1",
    config: Config = CONFIG,
    changes: str = "run.seed=0.0;run.shards=2",
    switches: str = "1=true",
    skip: bool = True,
    schema: type = Config,
) -> Opened:
    outputs = {name: str(folder / name) for name in ("photos", "fractions", "whole", *FILES)}
    proceed = open_run(
        run=run, data=data, revision="", digest=digest,
        texts={"run.noun": "tile", "run.token": "sks"}, changes=changes, switches=switches,
        skip_unchanged=skip, config=config.model_dump_json(),
        schema=f"{schema.__module__}:{schema.__name__}", package=package, outputs=outputs,
        page=str(folder / "page"),
    )  # fmt: skip
    written = {name: Path(path).read_text() for name, path in outputs.items()}
    return Opened(
        proceed, written["photos"], written["fractions"], json.loads(written["whole"]),
        (folder / "page").read_text(), {name: written[name] for name in FILES},
    )  # fmt: skip


def _close(run: str, notify: bool = True, page: str = os.devnull) -> None:
    close_run(run=run, data="data.dvc", notify=notify, page=page)


def _report(folder: Path) -> Path:
    (folder / "report").mkdir(exist_ok=True)
    (folder / "report" / "report.html").write_text("<html></html>")
    (folder / "report" / "summary.json").write_text("{}")
    _record(folder / "report", step="report", label="report", key="report")
    return folder / "report"


def _record(folder: Path, **known: object) -> None:
    record = {
        "step": "dreambooth", "label": "dreambooth 10 %", "key": "k", "digest": "d",
        "settings": {"steps": 2}, "scalars": {"seed": 0}, "inputs": {}, "metrics": {"loss": 0.5},
        "curves": {"loss": [[1, 0.7], [2, 0.5]]}, "warnings": [], "seconds": 1.0,
        "continued": False, "memory": 1, "device_memory": 0, "packages": "", "lineage": [],
    }  # fmt: skip
    (folder / RECORD).write_text(json.dumps(record | known))


def _succeed(folder: Path, run: str, **what: Any) -> None:
    assert _open(folder, run, **what).proceed
    publish(run, _report(folder), folder / "published")
    _close(run, notify=False)


def test_a_run_that_would_repeat_the_last_one_ends_at_the_gate_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _succeed(tmp_path, "first")

    opened = _open(tmp_path, "second")

    assert not opened.proceed
    assert "first" in opened.page
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"digest": "sha256:2"}, "the photos"),
        ({"package": "code 2"}, "the code or the images"),
        ({"changes": "run.seed=1;run.shards=2"}, "no earlier run"),
        ({"skip": False}, ""),
    ],
    ids=["data", "code", "settings", "not asked"],
)
def test_whatever_changed_the_run_goes_ahead_and_says_why(
    changed: dict[str, Any], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _succeed(tmp_path, "first")
    capsys.readouterr()

    assert _open(tmp_path, "second", **changed).proceed
    assert reason in capsys.readouterr().out


def test_it_is_the_last_successful_run_that_counts(tmp_path: Path) -> None:
    _succeed(tmp_path, "first")
    assert _open(tmp_path, "failed", digest="sha256:2").proceed
    _close("failed", notify=False)
    assert not _open(tmp_path, "third").proceed, "the one that failed does not count"

    _succeed(tmp_path, "fourth", digest="sha256:2")
    assert _open(tmp_path, "fifth").proceed, "the photos are not those of the last one"


def test_series_of_other_photos_do_not_disturb_each_other(tmp_path: Path) -> None:
    _succeed(tmp_path, "here")
    _succeed(tmp_path, "there", data="other.dvc", digest="sha256:2")

    assert not _open(tmp_path, "again").proceed


def test_without_a_digest_the_photos_themselves_decide(photo_folder: Path, tmp_path: Path) -> None:
    from components.data_versioning.inspect import inspect

    opened = _open(tmp_path, "first", data=str(photo_folder), digest="")

    found = inspect(photo_folder, CONFIG.data_versioning, (1.0,), 0)
    assert opened.photos == found.digest
    assert opened.photos.startswith("sha256:")


def test_the_gate_gives_the_configuration_with_what_was_changed(tmp_path: Path) -> None:
    opened = _open(
        tmp_path, "run", changes="dreambooth.steps=3.0;plan.images=5", switches="0.1=true;1=False"
    )

    assert opened.fractions == "0.1"
    assert opened.config["dreambooth"]["steps"] == 3
    assert opened.config["plan"]["images"] == 5
    assert opened.config["run"]["noun"] == "tile"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"changes": "plan.samples=16"}, "less than or equal to 15"),
        ({"changes": "run.shards=9"}, "every shard needs an image"),
        ({"switches": "0.1=false;1=false"}, "switch on at least one of 10 %, 100 %"),
    ],
)
def test_bad_parameters_are_told_at_the_gate(
    bad: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        _open(tmp_path, "run", **bad)


def test_another_content_of_a_file_that_settings_name_is_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package names files of the cluster by their paths alone, whoever replaces them."""
    model = tmp_path / "model"
    with embedded() as found:
        shutil.copytree(found, model)
    config = override(
        CONFIG,
        [
            f"base_model.source={model}",
            "hypernetwork.start=copy",
            f"mask_rcnn.weights={tmp_path / 'start.safetensors'}",
        ],
    )
    (tmp_path / "start.safetensors").write_text("start")
    _succeed(tmp_path, "first", config=config)
    before = _open(tmp_path, "second", config=config)

    (tmp_path / "start.safetensors").write_text("another")
    (model / "another.json").write_text("{}")
    (tmp_path / "inception.pt").write_text("weights")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "inception.pt"))
    after = _open(tmp_path, "third", config=config)

    assert not before.proceed
    assert after.proceed
    assert before.files["fid_evaluation"] == ""
    assert all(after.files[step] and after.files[step] != before.files[step] for step in FILES)
    assert {step: after.config[step]["digest"] for step in FILES} == after.files


def test_files_that_are_not_there_end_the_run_at_the_gate_all_at_once(tmp_path: Path) -> None:
    config = override(
        CONFIG,
        [
            "base_model.source=/store/sd",
            "hypernetwork.start=copy",
            "mask_rcnn.weights=/store/start.safetensors",
            "fid_evaluation.weights=/store/inception.pt",
        ],
    )

    with pytest.raises(ValueError, match="base_model.source: there is no folder /store/sd") as told:
        _open(tmp_path, "run", config=config)

    assert "mask_rcnn.weights: there is no file /store/start.safetensors" in str(told.value)
    assert "fid_evaluation.weights: /store/inception.pt is not a file" in str(told.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["base_model.source={0}"], "base_model.source: .*is no usable base model"),
        (["mask_rcnn.weights={0}"], "mask_rcnn.weights: there is no file"),
        (
            ["fid_evaluation.weights={0}/file", "fid_evaluation.digest=" + 64 * "a"],
            "^fid_evaluation.digest: a+ is not that of",
        ),
    ],
)
def test_a_file_of_another_kind_is_told_at_the_gate(
    changes: list[str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "file").write_text("weights")
    named = [one.format(tmp_path / "named") for one in changes]

    with pytest.raises(ValueError, match=said):
        _open(tmp_path, "run", config=override(CONFIG, ["hypernetwork.start=copy", *named]))


def test_inception_weights_that_the_cluster_names_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without a FID would say so hours later."""
    monkeypatch.setenv(VARIABLE, "/store/nothing.pt")

    with pytest.raises(ValueError, match=f"{VARIABLE} names /store/nothing.pt"):
        _open(tmp_path, "run")


def test_a_store_in_trouble_is_asked_again_by_the_gate_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "start.safetensors").write_text("start")
    failed: list[str] = []

    def once(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            if name not in failed:
                failed.append(name)
                raise OSError(errno.ESTALE, "Stale file handle")
            return real(*given)

        return call

    for name in ("read", "write", "last", "finish"):
        monkeypatch.setattr(History, name, once(name, getattr(History, name)))
    monkeypatch.setattr(contents, "digest_file", once("digest_file", contents.digest_file))
    config = override(CONFIG, [f"mask_rcnn.weights={tmp_path / 'start.safetensors'}"])

    _succeed(tmp_path, "first", config=config)

    assert sorted(failed) == ["digest_file", "finish", "last", "read", "write"]


def test_models_that_are_pinned_already_need_no_digest(tmp_path: Path) -> None:
    hub = override(
        CONFIG,
        [
            "base_model.source=owner/name",
            f"base_model.revision={40 * 'a'}",
            "hypernetwork.start=copy",
        ],
    )

    assert _open(tmp_path, "embedded").files["base_model"] == ""
    assert _open(tmp_path, "hub", config=hub).files["base_model"] == ""


@dataclass
class Webhook:
    address: str
    status: int = 200
    posted: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posted.append({"path": self.path, **json.loads(text)})
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(f"http://127.0.0.1:{server.server_port}/{SECRET}")
        monkeypatch.setenv(WEBHOOK, hook.address)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield hook
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("published", "state"), [(True, "SUCCEEDED"), (False, "FAILED")])
def test_the_webhook_is_told_the_true_state(
    published: bool,
    state: str,
    webhook: Webhook,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DEFECTORY_UI_URL", "http://kfp.example/")
    _open(tmp_path, "run 1")
    if published:
        publish("run 1", _report(tmp_path), tmp_path / "published")

    _close("run 1", page=str(tmp_path / "ending"))

    (told,) = webhook.posted
    assert told["path"] == f"/{SECRET}"
    assert (told["run"], told["state"], told["data_digest"]) == ("run 1", state, "sha256:1")
    assert told["link"] == "http://kfp.example/#/runs/details/run 1"
    assert bool(told["error"]) is (state != "SUCCEEDED")
    assert state in told["text"]
    shown = (tmp_path / "ending").read_text()
    assert f"| state | {state} |" in shown
    assert "| data\\_digest | `sha256:1...` |" in shown
    assert told["link"] not in shown, "the page is where it leads to"
    said_here = capsys.readouterr()
    assert SECRET not in said_here.out + said_here.err


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"state_history": [{"state": "RUNNING"}, {"state": "CANCELING"}]}, "CANCELLED"),
        ({"state_history": [{"state": "RUNNING"}]}, "FAILED"),
        ({"state": "RUNNING"}, "FAILED"),
        (["not", "a run"], "FAILED"),
        (None, "FAILED"),
    ],
)
def test_a_run_that_somebody_stopped_is_cancelled_where_kfp_tells(
    answer: Any, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv(HOST, "127.0.0.1")
        monkeypatch.setenv(PORT, str(server.server_port))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            page = tmp_path / "ending"
            _close("run 1", page=str(page))
        finally:
            server.shutdown()
            thread.join()

    assert asked == ["/apis/v2beta1/runs/run%201"]
    assert f"| state | {state} |" in page.read_text()


def test_the_end_tells_what_the_gate_refused(
    webhook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN, "run 1")
    with pytest.raises(ValueError, match="every shard needs an image"):
        _open(tmp_path, "run 1", changes="run.shards=9")

    _close("run 1")

    (told,) = webhook.posted
    assert told["error"] == (
        "gate: run.shards=9 is more than plan.images=4; every shard needs an image"
    )


def test_a_run_that_never_came_to_the_gate_has_failed(webhook: Webhook) -> None:
    _close("run 1")

    assert [one["state"] for one in webhook.posted] == ["FAILED"]


def test_more_tasks_than_argo_has_room_for_end_at_the_gate_of_a_cluster(tmp_path: Path) -> None:
    many = {"config": preset("quickstart"), "changes": "run.shards=60"}
    few = {**many, "switches": "0.01=false;0.1=false;1=true"}
    all_on = {**many, "switches": "0.01=true;0.1=true;1=true"}

    with pytest.raises(ValueError, match=r"218 tasks .*take fewer shards"):
        _open(tmp_path, "run 1", **all_on, schema=ClusterConfig)
    assert _open(tmp_path, "run 2", **few, schema=ClusterConfig).proceed
    assert _open(tmp_path, "run 3", **all_on).proceed, "this machine has no such limit"


@pytest.mark.parametrize("read", ["read", "reasons"])
@pytest.mark.parametrize(
    "trouble",
    [OSError(errno.EIO, "Input/output error"), PermissionError(errno.EACCES, "no access")],
)
def test_a_store_that_cannot_be_read_is_told_too(
    trouble: OSError, read: str, webhook: Webhook, client: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run = f"unreadable {read} {trouble.errno}"
    monkeypatch.setenv(RUN, run)
    _open(tmp_path, run)

    def fail(*_: object) -> None:
        raise trouble

    monkeypatch.setattr(History, read, fail)
    _close(run, page=str(tmp_path / "ending"))

    (told,) = webhook.posted
    assert told["state"] == "FAILED"
    assert "the store does not tell" in told["error"]
    assert str(trouble.strerror) in told["error"]
    assert "| state | FAILED |" in (tmp_path / "ending").read_text()
    assert _run_of(client, run).info.status == "FAILED"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_note_that_was_written_by_halves_is_told_too(
    text: str, webhook: Webhook, tmp_path: Path
) -> None:
    _open(tmp_path, "run 1")
    (note,) = Path(os.environ[STORE]).rglob("runs/*.json")
    note.write_text(text)

    _close("run 1")

    (told,) = webhook.posted
    assert (told["state"], "the store does not tell" in told["error"]) == ("FAILED", True)


def test_the_webhook_is_left_alone_when_nobody_wants_it(webhook: Webhook) -> None:
    _close("run 1", notify=False)

    assert webhook.posted == []


@pytest.mark.parametrize(
    "trouble", ["status", "gone", "not http", "not an address", "half a number"]
)
def test_a_webhook_in_trouble_costs_nothing_and_its_address_stays_secret(
    trouble: str,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    webhook.status = 403
    address = {
        "status": webhook.address,
        "gone": f"http://127.0.0.1:9/{SECRET}",
        "not http": f"file:///{SECRET}",
        "not an address": f"http://127.0.0.1:x/{SECRET}\x01",
        "half a number": f"http://[{SECRET}",
    }[trouble]
    monkeypatch.setenv(WEBHOOK, address)

    _close("run 1")

    said = capsys.readouterr()
    assert "was not told" in said.out
    assert SECRET not in said.out + said.err


@pytest.fixture(scope="module")
def mlflow_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def client(mlflow_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
    monkeypatch.chdir(tmp_path)
    return MlflowClient(mlflow_uri)


def _run_of(client: Any, run: str) -> Any:
    everywhere = [one.experiment_id for one in client.search_experiments()]
    (found,) = client.search_runs(everywhere, f"tags.`kfp.pipeline_run_id` = '{run}'")
    return found


def test_mlflow_gets_the_final_state_of_the_run(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFECTORY_UI_URL", "http://kfp.example")
    _succeed(tmp_path, "good")
    _open(tmp_path, "bad", digest="sha256:2")
    _close("bad", notify=False)
    _close("worse", notify=False)

    good, bad, worse = (_run_of(client, one) for one in ("good", "bad", "worse"))
    assert (good.info.status, bad.info.status, worse.info.status) == (
        "FINISHED", "FAILED", "FAILED",
    )  # fmt: skip
    assert good.data.tags["defectory.state"] == "SUCCEEDED"
    assert good.data.tags["defectory.data_digest"] == "sha256:1"
    assert good.data.tags["kfp.pipeline_run_url"] == "http://kfp.example/#/runs/details/good"
    assert json.loads(good.data.params["dreambooth"])["steps"] == 2
    assert {one.path for one in client.list_artifacts(good.info.run_id, "report")} == {
        "report/report.html", "report/summary.json",
    }  # fmt: skip
    assert "a step failed" in bad.data.tags["defectory.error"]


def test_the_run_s_pipeline_and_version_are_asked_of_kfp(monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/apis/v2beta1/runs/run%201"
            self.send_response(200 if known else 404)
            self.end_headers()
            version = {"pipeline_id": "p", "pipeline_version_id": "v"}
            self.wfile.write(json.dumps({"pipeline_version_reference": version}).encode())

        def log_message(self, *_: object) -> None:
            pass

    assert origin("run 1") == {}
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("ML_PIPELINE_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("ML_PIPELINE_SERVICE_PORT", str(server.server_port))
        found = origin("run 1"), origin("another")
        server.shutdown()
        thread.join()

    assert found == ({"kfp.pipeline_id": "p", "kfp.pipeline_version_id": "v"}, {})


def test_a_run_that_ended_at_the_gate_is_a_success_with_a_reference(
    client: Any, tmp_path: Path
) -> None:
    _succeed(tmp_path, "made")
    _open(tmp_path, "repeated")
    _close("repeated", notify=False)

    run = _run_of(client, "repeated")
    assert run.info.status == "FINISHED"
    assert run.data.tags["defectory.unchanged_since"] == "made"


def _result(folder: Path) -> Path:
    (folder / "preview").mkdir(parents=True)
    _record(folder)
    return folder


def test_a_task_joins_the_run_that_kfp_made_for_it(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.tracking import log

    experiment = client.create_experiment("KFP-Default joined")
    parent = client.create_run(experiment, tags={"kfp.pipeline_run_id": "joined"})
    task = client.create_run(experiment, tags={"mlflow.parentRunId": parent.info.run_id})
    monkeypatch.setenv("MLFLOW_RUN_ID", task.info.run_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)

    log(_result(tmp_path / "result"), label="dreambooth 10 %", reused=False, task="t", counted=True)
    # What KFP's launcher does afterwards.
    client.log_param(task.info.run_id, "seed", "0")
    client.log_param(task.info.run_id, "steps", "2")
    client.log_metric(task.info.run_id, "loss", 0.5)

    runs = client.search_runs([experiment])
    assert len(runs) == 2, "no run of our own"
    joined = client.get_run(task.info.run_id)
    assert joined.info.status == "RUNNING", "KFP ends it"
    assert joined.info.run_name == "dreambooth 10 %"
    assert joined.data.tags["defectory.step"] == "dreambooth"
    assert joined.data.params["settings.steps"] == "2"
    assert len(client.get_metric_history(task.info.run_id, "loss")) == 1
    assert len(client.get_metric_history(task.info.run_id, "loss_curve")) == 2


def test_a_task_without_a_run_of_its_own_becomes_a_child_of_the_pipeline_s(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.tracking import log

    _open(tmp_path, "parent")
    monkeypatch.setenv(RUN, "parent")

    log(_result(tmp_path / "result"), label="dreambooth 10 %", reused=True, task="t", counted=True)

    parent = _run_of(client, "parent")
    (child,) = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert child.info.run_name == "dreambooth 10 %"
    assert child.data.params["steps"] == "2"
    assert child.data.metrics["loss"] == 0.5


def test_steps_that_kfp_took_from_its_cache_are_logged_when_all_is_done(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.tracking import log

    _open(tmp_path, "cached")
    monkeypatch.setenv(RUN, "cached")
    report = _report(tmp_path)
    lineage = []
    for label in ("told", "cached", "half", "lost"):
        result = tmp_path / "store" / "dreambooth" / label / "result"
        if label != "lost":
            (result / "preview").mkdir(parents=True)
            _record(result, key=label, label=label)
        lineage.append(json.loads((tmp_path / "report" / RECORD).read_text())
                       | {"step": "dreambooth", "key": label, "label": label})  # fmt: skip
    _record(report, step="report", label="report", key="report", lineage=lineage)
    log(tmp_path / "store" / "dreambooth" / "told" / "result",
        label="told", reused=False, task="t", counted=True)  # fmt: skip

    above = _run_of(client, "cached").info
    # MLflow went away while its task logged it.
    client.create_run(
        above.experiment_id, run_name="half",
        tags={"mlflow.parentRunId": above.run_id, "defectory.key": "half"},
    )  # fmt: skip

    for _ in range(2):  # a second try of the task adds nothing
        publish("cached", report, tmp_path / "published")

    parent = _run_of(client, "cached")
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert sorted(one.info.run_name for one in children) == ["cached", "half", "told"]
    assert {one.data.metrics["loss"] for one in children} == {0.5}
    assert {one.info.status for one in children} == {"FINISHED"}


def test_tasks_that_the_plugin_has_forgotten_are_ended_with_the_run(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.tracking import end

    experiment = client.create_experiment("KFP-Default stopped")

    def made(above: str | None, **tags: str) -> str:
        below = {"mlflow.parentRunId": above} if above else {}
        return str(client.create_run(experiment, tags=tags | below).info.run_id)

    run = made(None, **{"kfp.pipeline_run_id": "stopped"})
    condition = made(run)
    client.set_terminated(condition, "FINISHED")
    training, this = made(condition), made(run)
    other = made(made(None, **{"kfp.pipeline_run_id": "another"}))
    monkeypatch.setenv("MLFLOW_RUN_ID", this)

    end("stopped", "CANCELLED", "it was stopped")

    states = {one: client.get_run(one).info.status for one in (run, condition, training)}
    assert states == {run: "KILLED", condition: "FINISHED", training: "KILLED"}
    assert {client.get_run(one).info.status for one in (this, other)} == {"RUNNING"}


def test_a_plugin_that_does_not_tell_steps_of_their_runs_has_ours_below_its_own(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.tracking import log

    experiment = client.create_experiment("KFP-Default alone")
    parent = client.create_run(experiment, tags={"kfp.pipeline_run_id": "alone"})
    monkeypatch.setenv(RUN, "alone")

    log(_result(tmp_path / "result"), label="dreambooth 10 %", reused=False, task="t", counted=True)

    # Where MLflow's page of that experiment looks for them.
    (child,) = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert child.data.metrics["loss"] == 0.5


@pytest.mark.parametrize(
    ("told", "tag"), [("0123456789ab", "0123456789ab"), ("unknown", None), (None, None)]
)
@pytest.mark.parametrize("plugin", [False, True])
def test_a_run_and_its_tasks_have_the_revision_of_the_image(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str | None,
    tag: str | None, plugin: bool,
) -> None:  # fmt: skip
    from components.tracking import GIT_REVISION, REVISION, log

    name = f"revision {told} {plugin}"
    monkeypatch.setenv(RUN, name)
    monkeypatch.delenv(REVISION, raising=False)
    if told is not None:
        monkeypatch.setenv(REVISION, told)
    _open(tmp_path, name)
    parent = _run_of(client, name)
    if plugin:
        above = {"mlflow.parentRunId": parent.info.run_id}
        made = client.create_run(parent.info.experiment_id, tags=above)
        monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)

    log(_result(tmp_path / "result"), label="dreambooth 10 %", reused=False, task="t", counted=True)

    (child,) = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert child.data.tags["defectory.step"] == "dreambooth"
    assert [one.data.tags.get(GIT_REVISION) for one in (parent, child)] == [tag, tag]


def test_an_mlflow_that_cannot_be_written_costs_the_run_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)

    _succeed(tmp_path, "run")

    assert "not logged to MLflow" in capsys.readouterr().out


def test_a_note_survives_its_file(tmp_path: Path) -> None:
    note = Note("../run", "data", "main", "sha256:1", "c", "p")
    past = History(tmp_path / "history")
    past.write(note)

    assert past.read("../run") == note
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "history" / "runs"}
