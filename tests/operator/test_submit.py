import shlex
from pathlib import Path

import pytest
from conftest import Defectory, Done, git, put
from kfp_backend import Backend


def test_submitting_starts_the_newest_version_and_prints_the_link(
    deployed: Backend, defectory: Defectory, package: Path
) -> None:
    newest = put(deployed, package, "defectory-valvano-kind", "ba9876543210")

    done = defectory("submit", "--endpoint", deployed.url)

    assert done.code == 0, done.err
    (run,) = deployed.runs.values()
    assert run["pipeline_version_reference"]["pipeline_version_id"] == newest
    assert run["service_account"] == "defectory-runner"
    assert f"{deployed.url}/#/runs/details/{run['run_id']}" in done.out
    assert [one["display_name"] for one in deployed.experiments.values()] == ["defectory"]


def test_a_version_is_chosen_by_name(
    deployed: Backend, defectory: Defectory, package: Path
) -> None:
    put(deployed, package, "defectory-valvano-kind", "ba9876543210")

    done = defectory("submit", "--endpoint", deployed.url, "--version", "0123456789ab")

    assert done.code == 0, done.err
    (run,) = deployed.runs.values()
    assert run["pipeline_version_reference"]["pipeline_version_id"].endswith("0123456789ab")


def test_parameters_are_typed_and_passed(deployed: Backend, defectory: Defectory) -> None:
    changes = [
        "data=/store/a=b",
        "noun=cast iron",
        "seed=7",
        "fraction_1_percent=no",
        "skip_unchanged=true",
    ]

    done = defectory(
        "submit", "--endpoint", deployed.url, *(word for one in changes for word in ("--set", one))
    )

    assert done.code == 0, done.err
    (run,) = deployed.runs.values()
    assert run["runtime_config"]["parameters"] == {
        "data": "/store/a=b",
        "revision": "",
        "noun": "cast iron",
        "seed": 7,
        "fraction_1_percent": False,
        "skip_unchanged": True,
    }


def test_all_problems_of_parameters_are_told_at_once(
    deployed: Backend, defectory: Defectory
) -> None:
    changes = ["nuon=x", "seed=seven", "notify=perhaps", "seed", "noun=a", "noun=b"]

    done = defectory(
        "submit", "--endpoint", deployed.url, *(word for one in changes for word in ("--set", one))
    )

    assert done.code == 2
    lines = done.err.splitlines()
    assert len(lines) == 5
    assert "did you mean 'noun'" in lines[0]
    assert "whole number" in lines[1]
    assert "neither true nor false" in lines[2]
    assert "NAME=VALUE" in lines[3]
    assert "twice" in lines[4]
    assert deployed.runs == {}


def test_a_choice_of_pools_is_refused_where_there_are_none(
    deployed: Backend, defectory: Defectory
) -> None:
    done = defectory("submit", "--endpoint", deployed.url, "--set", "node_pool=a100")

    assert done.code == 2
    assert "no parameter 'node_pool'" in done.err
    assert deployed.runs == {}


def test_values_out_of_range_are_refused_here(deployed: Backend, defectory: Defectory) -> None:
    done = defectory("submit", "--endpoint", deployed.url, "--set", "dreambooth_steps=-3")

    assert done.code == 2
    assert "--set dreambooth_steps" in done.err
    assert deployed.runs == {}


def test_what_argo_has_no_room_for_is_refused_and_what_needs_more_is_told(
    deployed: Backend, defectory: Defectory
) -> None:
    def submit(*changes: str) -> Done:
        words = (word for one in changes for word in ("--set", one))
        return defectory("submit", "--endpoint", deployed.url, *words)

    refused = submit("shards=60")
    assert refused.code == 2
    assert "218 tasks (3 fractions x (6 + 60 shards + 3 trainings) + 11)" in refused.err
    assert "take fewer shards" in refused.err
    assert deployed.runs == {}

    told = submit("shards=60", "fraction_1_percent=false", "fraction_10_percent=false")
    assert (told.code, told.err) == (0, ""), "only fractions that are on count"

    told = submit("shards=20")
    assert told.code == 0
    assert "98 tasks" in told.err
    assert "MAX_WORKFLOW_SIZE=1400000" in told.err
    assert len(deployed.runs) == 2


def test_the_parameters_can_be_listed(deployed: Backend, defectory: Defectory) -> None:
    done = defectory("submit", "--endpoint", deployed.url, "--list")

    assert done.code == 0, done.err
    assert "noun=surface" in done.out
    assert "notify=true" in done.out
    assert "rare word" in done.out.lower()
    assert deployed.runs == {}


def test_a_local_dvc_file_becomes_an_address_and_a_commit(
    deployed: Backend, defectory: Defectory, photos: Path
) -> None:
    commit = git(photos, "rev-parse", "HEAD")

    done = defectory("submit", "--endpoint", deployed.url, "--data", str(photos / "data.dvc"))

    assert done.code == 0, done.err
    (run,) = deployed.runs.values()
    assert run["runtime_config"]["parameters"] == {
        "data": "https://git.example/photos.git:data.dvc",
        "revision": commit,
    }
    assert commit in done.out


def test_a_folder_of_the_store_is_taken_and_has_no_revisions(
    deployed: Backend, defectory: Defectory
) -> None:
    words = ("submit", "--endpoint", deployed.url, "--data", "/store/photos")

    refused = defectory(*words, "--revision", "v1")
    done = defectory(*words)

    assert refused.code == 2
    assert "'/store/photos' is no .dvc file" in refused.err
    assert done.code == 0, done.err
    (run,) = deployed.runs.values()
    assert run["runtime_config"]["parameters"] == {"data": "/store/photos", "revision": ""}


@pytest.mark.parametrize("revision", ["", "main", "v1", "release"])
def test_a_revision_elsewhere_becomes_the_commit_that_it_is_now(
    deployed: Backend, defectory: Defectory, photos: Path, revision: str
) -> None:
    git(photos, "tag", "-a", "v1", "-m", "first")
    git(photos, "branch", "release")
    git(photos, "push", "--quiet", "origin", "v1", "release")
    commit = git(photos, "rev-parse", "HEAD")
    words = ["--data", "https://git.example/photos.git:data.dvc"]

    done = defectory(
        "submit",
        "--endpoint",
        deployed.url,
        *words,
        *(["--revision", revision] if revision else []),
    )

    assert done.code == 0, done.err
    (run,) = deployed.runs.values()
    assert run["runtime_config"]["parameters"]["revision"] == commit


def test_data_that_the_cluster_cannot_get_is_refused(
    deployed: Backend, defectory: Defectory, photos: Path, tmp_path: Path
) -> None:
    def submit(*words: str) -> str:
        done = defectory("submit", "--endpoint", deployed.url, *words)
        assert done.code == 2
        return done.err

    file = photos / "data.dvc"
    assert "no such file" in submit("--data", "nowhere.dvc")
    assert "no such revision" in submit("--data", str(file), "--revision", "v9")
    assert "no branch or tag" in submit(
        "--data", "https://git.example/photos.git:data.dvc", "--revision", "v9"
    )
    file.write_text("changed")
    assert "commit and push" in submit("--data", str(file))
    git(photos, "commit", "--quiet", "-am", "not pushed")
    assert "git push" in submit("--data", str(file))
    assert "password" in submit("--data", "https://ada:hunter22@git.example/photos.git:data.dvc")
    assert "no revisions" in submit("--revision", "main")
    assert deployed.runs == {}


@pytest.mark.parametrize("scheme", ["https://", ""])
def test_a_password_in_an_address_is_not_repeated(
    deployed: Backend, defectory: Defectory, scheme: str
) -> None:
    done = defectory(
        "submit", "--endpoint", deployed.url, "--data",
        f"{scheme}ada:hunter22@git.example/photos.git:data.dvc",
    )  # fmt: skip

    assert done.code == 2
    assert "password" in done.err
    assert "hunter22" not in done.err + done.out


def test_two_who_submit_first_make_one_experiment(deployed: Backend, defectory: Defectory) -> None:
    # The first look finds nothing, as if the other had been faster by a moment.
    assert defectory("submit", "--endpoint", deployed.url).code == 0
    deployed.answer(r"GET .*/experiments$", b"{}", "application/json")
    deployed.faults[-1].times = 1

    done = defectory("submit", "--endpoint", deployed.url)

    assert done.code == 0, done.err
    assert len(deployed.experiments) == 1
    assert len({run["experiment_id"] for run in deployed.runs.values()}) == 1


@pytest.mark.parametrize("name", ["Defectory", "d\u00e9fectory"])
def test_an_experiment_that_differs_in_case_or_accents_is_not_taken(
    deployed: Backend, defectory: Defectory, name: str
) -> None:
    words = ("submit", "--endpoint", deployed.url)
    assert defectory(*words, "--experiment", name).code == 0

    refused = defectory(*words)
    other = defectory(*words, "--experiment", "others")

    assert refused.code == 2
    assert f"--experiment {shlex.quote(name)}" in refused.err
    assert other.code == 0, other.err
    assert len(deployed.runs) == 2


def test_a_version_that_differs_in_case_is_not_taken(
    deployed: Backend, defectory: Defectory, package: Path
) -> None:
    put(deployed, package, "defectory-valvano-kind", "Spring")

    done = defectory("submit", "--endpoint", deployed.url, "--version", "spring")

    assert done.code == 2
    assert "has no version 'spring'; its newest is 'Spring'" in done.err


@pytest.mark.parametrize(
    ("option", "name", "rule"),
    [
        ("--name", "n" * 256, "255 characters of one, and this has 256"),
        ("--name", "one\ntwo", "in one line"),
        ("--experiment", "\u00e4" * 65, "128 bytes of one, and this has 130"),
        ("--experiment", "", "at least one letter"),
        ("--service-account", "n" * 254, "253 characters of one, and this has 254"),
    ],
)
def test_a_name_that_kfp_does_not_keep_is_told_before_the_server_is_asked(
    deployed: Backend, defectory: Defectory, option: str, name: str, rule: str
) -> None:
    done = defectory("submit", "--endpoint", deployed.url, option, name)

    assert done.code == 2
    assert rule in done.err
    assert deployed.requests == []


def test_the_name_of_a_run_has_room_for_that_of_its_version(
    deployed: Backend, defectory: Defectory, package: Path
) -> None:
    put(deployed, package, "defectory-valvano-kind", "v" * 255)

    done = defectory("submit", "--endpoint", deployed.url)

    assert done.code == 0, done.err
    (run,) = deployed.runs.values()
    assert len(run["display_name"]) == 255
    assert run["display_name"].startswith("vvv")
    assert run["display_name"][-20:-8].startswith(" 2")


def test_without_a_pipeline_one_is_told_to_deploy(backend: Backend, defectory: Defectory) -> None:
    done = defectory("submit", "--endpoint", backend.url)

    assert done.code == 2
    assert "defectory deploy" in done.err


def test_among_several_pipelines_one_must_choose(
    deployed: Backend, defectory: Defectory, package: Path
) -> None:
    put(deployed, package, "defectory-valvano-gpu", "0123456789ab")

    unclear = defectory("submit", "--endpoint", deployed.url)
    wrong = defectory("submit", "--endpoint", deployed.url, "--pipeline", "defectory-gpu")
    chosen = defectory("submit", "--endpoint", deployed.url, "--pipeline", "defectory-valvano-gpu")

    assert (unclear.code, wrong.code, chosen.code) == (2, 2, 0)
    assert "defectory-valvano-gpu, defectory-valvano-kind" in unclear.err
    assert "defectory-valvano-gpu, defectory-valvano-kind" in wrong.err


def test_an_unknown_version_is_told_with_the_newest(
    deployed: Backend, defectory: Defectory
) -> None:
    done = defectory("submit", "--endpoint", deployed.url, "--version", "nope")

    assert done.code == 2
    assert "0123456789ab" in done.err


def test_a_run_that_the_database_cannot_write_is_refused_before_it_starts(
    deployed: Backend, defectory: Defectory
) -> None:
    words = ("submit", "--endpoint", deployed.url)
    named = defectory(*words, "--name", "Schicht \U0001f642")
    valued = defectory(*words, "--data", "/store/\U0001f642")

    assert (named.code, valued.code) == (2, 2)
    assert "beyond U+FFFF" in named.err
    assert "data=/store/" in valued.err
    assert deployed.orphans == []
    assert deployed.runs == {}


def test_versions_and_experiments_of_any_name_are_found_again(
    deployed: Backend, package: Path, defectory: Defectory
) -> None:
    """The server decodes filters twice."""
    put(deployed, package, "defectory-valvano-kind", "1.0+kind")
    words = ("submit", "--endpoint", deployed.url, "--version", "1.0+kind", "--experiment", "x+y%")

    first, second = defectory(*words), defectory(*words)

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert len(deployed.runs) == 2
    assert [one["display_name"] for one in deployed.experiments.values()].count("x+y%") == 1
