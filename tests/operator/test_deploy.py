from pathlib import Path

import pytest
from conftest import Defectory
from kfp_backend import Backend

from pipelines.operator import naming
from pipelines.refusal import Refusal

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "git_revision", lambda: COMMIT)


def test_deploying_makes_the_pipeline_and_a_version_named_by_the_revision(
    backend: Backend, defectory: Defectory
) -> None:
    done = defectory("deploy", "--profile", "kind", "--endpoint", backend.url)

    assert done.code == 0, done.err
    (pipeline,) = backend.pipelines.values()
    (version,) = backend.versions.values()
    assert pipeline["display_name"] == "defectory-valvano-kind"
    assert version["display_name"] == "0123456789ab"
    assert version["pipeline_id"] == pipeline["pipeline_id"]
    assert "deploymentSpec" in version["pipeline_spec"]["pipeline_spec"]
    assert (
        f"{backend.url}/#/pipelines/details/{pipeline['pipeline_id']}/version/"
        f"{version['pipeline_version_id']}" in done.out
    )


def test_the_versions_description_explains_it(backend: Backend, defectory: Defectory) -> None:
    defectory("deploy", "--profile", "kind", "--endpoint", backend.url)

    (version,) = backend.versions.values()
    assert "skip_unchanged" in version["description"]


def test_deploying_again_uploads_nothing(backend: Backend, defectory: Defectory) -> None:
    words = ("deploy", "--profile", "kind", "--endpoint", backend.url)
    defectory(*words)
    before = backend.asked("POST", "/pipelines")

    done = defectory(*words)

    assert done.code == 0
    assert "is there already" in done.out
    assert backend.asked("POST", "/pipelines") == before > 0


def test_another_package_of_the_same_name_is_refused(
    backend: Backend, defectory: Defectory
) -> None:
    words = ("deploy", "--profile", "kind", "--endpoint", backend.url)
    defectory(*words)

    done = defectory(*words, "--set", "run.noun=casting")

    assert done.code == 2
    assert "other content" in done.err
    assert "--version" in done.err
    assert len(backend.versions) == 1


def test_profiles_and_presets_are_kept_apart(backend: Backend, defectory: Defectory) -> None:
    for words in (["kind"], ["gpu"], ["kind", "--preset", "smoke"]):
        assert defectory("deploy", "--endpoint", backend.url, "--profile", *words).code == 0

    assert sorted(one["display_name"] for one in backend.pipelines.values()) == [
        "defectory-valvano-gpu",
        "defectory-valvano-kind",
    ]
    assert sorted(one["display_name"] for one in backend.versions.values()) == [
        "0123456789ab",
        "0123456789ab",
        "0123456789ab-smoke",
    ]


def test_two_who_deploy_at_once_make_one_version(backend: Backend, defectory: Defectory) -> None:
    words = ("deploy", "--profile", "kind", "--endpoint", backend.url)
    defectory(*words)
    # The first look finds nothing, as if the other had been faster by a moment.
    backend.answer(r"GET .*/versions$", b"{}", "application/json")
    backend.faults[-1].times = 1

    done = defectory(*words)

    assert done.code == 0, done.err
    assert "is there already" in done.out
    assert len(backend.versions) == 1


@pytest.mark.parametrize(
    ("option", "there"), [("--version", "V1"), ("--pipeline", "Defectory-valvano-kind")]
)
def test_a_name_that_differs_in_case_is_not_taken(
    backend: Backend, defectory: Defectory, option: str, there: str
) -> None:
    words = ("deploy", "--profile", "kind", "--endpoint", backend.url)
    assert defectory(*words, option, there).code == 0

    done = defectory(*words, option, there.lower())

    assert done.code == 2
    assert f"give {option} {there}, or another name" in done.err
    assert len(backend.versions) == 1


@pytest.mark.parametrize("option", ["--version", "--pipeline"])
def test_a_name_that_kfp_does_not_keep_is_told(
    backend: Backend, defectory: Defectory, option: str
) -> None:
    done = defectory("deploy", "--profile", "kind", "--endpoint", backend.url, option, "n" * 129)

    assert done.code == 2
    assert "bytes of one, and this has 129" in done.err
    assert backend.asked("POST", "") == 0


def test_a_server_for_several_users_gets_the_pipeline_in_ones_namespace(
    backend: Backend, defectory: Defectory
) -> None:
    backend.multi_user = True

    done = defectory(
        "deploy", "--profile", "kind", "--endpoint", backend.url, "--namespace", "team"
    )

    assert done.code == 0, done.err
    assert [one["namespace"] for one in backend.pipelines.values()] == ["team"]


def test_uncommitted_code_is_refused_or_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming, "git_revision", lambda: f"{COMMIT}-dirty")
    package = tmp_path / "one.yaml"
    package.write_text("one")

    with pytest.raises(Refusal, match="--dirty"):
        naming.version_name(package, preset="", dirty=False)
    first = naming.version_name(package, preset="", dirty=True)
    package.write_text("another")
    second = naming.version_name(package, preset="", dirty=True)

    assert first.startswith("0123456789ab-dirty-")
    assert second.startswith("0123456789ab-dirty-")
    assert first != second


def test_code_outside_git_needs_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "git_revision", lambda: "")

    with pytest.raises(Refusal, match="--version"):
        naming.version_name(tmp_path / "any.yaml", preset="", dirty=True)


def test_a_password_in_the_datas_address_is_refused_and_not_repeated(
    backend: Backend, defectory: Defectory
) -> None:
    done = defectory(
        "deploy", "--profile", "kind", "--endpoint", backend.url,
        "--data", "https://ada:hunter22@git.example/photos.git:data.dvc",
    )  # fmt: skip

    assert done.code == 2
    assert "password" in done.err
    assert "hunter22" not in done.err + done.out
    assert backend.requests == []


def test_a_run_for_which_argo_needs_more_room_is_told(
    backend: Backend, defectory: Defectory
) -> None:
    words = ("deploy", "--profile", "kind", "--endpoint", backend.url)

    silent = defectory(*words)
    done = defectory(*words, "--set", "run.shards=20", "--version", "many")

    assert (silent.code, silent.err) == (0, "")
    assert done.code == 0, done.err
    assert "98 tasks (3 fractions x (6 + 20 shards + 3 trainings) + 11)" in done.err
    assert "set env deployment/workflow-controller MAX_WORKFLOW_SIZE=" in done.err
    assert "many uploaded" in done.out


def test_a_run_for_which_argo_has_no_room_is_not_deployed(
    backend: Backend, defectory: Defectory
) -> None:
    done = defectory(
        "deploy", "--profile", "kind", "--endpoint", backend.url, "--set", "run.shards=60"
    )

    assert done.code == 2
    assert "218 tasks" in done.err
    assert backend.requests == []


def test_files_of_this_machine_are_refused_before_anything_is_asked(
    backend: Backend, defectory: Defectory, tmp_path: Path
) -> None:
    done = defectory(
        "deploy", "--profile", "kind", "--endpoint", backend.url, "--data", str(tmp_path)
    )

    assert done.code == 2
    assert str(tmp_path) in done.err
    assert backend.requests == []
