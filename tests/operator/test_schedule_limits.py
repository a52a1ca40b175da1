"""KFP's columns are narrow, and what does not fit leaves a schedule that is in no list."""

import pytest
from conftest import Defectory
from kfp_backend import Backend
from recurring import in_the_ui, only

ADDRESS = "https://git.example.org/plant-3/surface-inspection/photographs.git:line-2/data.dvc"


def test_many_values_are_cut_and_what_is_read_again_is_not(
    deployed: Backend, schedule: Defectory
) -> None:
    zones = ("--time-zone", "America/Argentina/ComodRivadavia", "--standard-time")
    values = ("noun=cast iron pump housing", "seed=31", "shards=12")
    changes = [word for value in values for word in ("--set", value)]

    made = schedule(
        "create", "nightly", "--cron", "0,15,30,45 6-18 * * mon-fri", *zones, "--latest",
        "--data", ADDRESS, "--revision", "release/2026-11", *changes,
    )  # fmt: skip
    changed = schedule("change", "nightly", "--set", "seed=32")

    assert (made.code, changed.code) == (0, 0), made.err + changed.err
    about = only(deployed)["description"]
    assert len(about) == 255
    assert about.endswith("...")
    assert "the newest version, with data=https://git" in about
    assert deployed.orphans == []
    (line,) = schedule("list").out.splitlines()[1:]
    assert "0,15,30,45 6-18 * * mon-fri" in line
    assert "America/Argentina/ComodRivadavia (standard time)" in line
    assert f"data={ADDRESS}" in line


def test_an_expression_for_which_there_is_no_room_is_told(
    deployed: Backend, schedule: Defectory
) -> None:
    minutes = ",".join(str(minute) for minute in range(60))

    refused = schedule("create", "nightly", "--cron", f"{minutes} 3 * * *")
    done = schedule("create", "nightly", "--cron", "0-59 3 * * *")

    assert refused.code == 2
    assert "this has 177: write it shorter" in refused.err
    assert done.code == 0, done.err
    assert deployed.orphans == []


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "at least one letter"),
        ("  ", "at least one letter"),
        (" nightly", "without blanks around it"),
        ("night\nly", "in one line"),
        ("n" * 256, "255 characters of one, and this has 256"),
        ("Schicht \U0001f642", "beyond U+FFFF"),
        ("\u00dc-Nacht", "before the first hyphen"),
    ],
)
def test_a_name_that_kfp_does_not_keep_is_told_before_the_server_is_asked(
    deployed: Backend, schedule: Defectory, name: str, rule: str
) -> None:
    done = schedule("create", name, "--cron", "@daily")

    assert done.code == 2
    assert f"{name!r} is no name of a schedule" in done.err
    assert rule in done.err
    assert deployed.requests == []


def test_a_long_name_is_kept_whole(deployed: Backend, schedule: Defectory) -> None:
    assert schedule("create", "\u00e4" * 255, "--cron", "@daily").code == 0
    assert only(deployed)["display_name"] == "\u00e4" * 255


@pytest.mark.parametrize("option", ["--experiment", "--service-account"])
def test_other_names_are_checked_too(deployed: Backend, schedule: Defectory, option: str) -> None:
    done = schedule("create", "nightly", "--cron", "@daily", option, "n" * 254)

    assert done.code == 2
    assert "this has 254" in done.err
    assert deployed.requests == []


def test_a_schedule_of_the_ui_keeps_what_only_the_ui_can_set(
    deployed: Backend, schedule: Defectory
) -> None:
    begins, ends = "2026-11-01T00:00:00Z", "2026-12-24T00:00:00Z"
    schedule("create", "mine", "--cron", "@daily")
    mine = deployed.recurring.popitem()[1]
    in_the_ui(
        deployed,
        "theirs",
        experiment_id=mine["experiment_id"],
        pipeline_version_reference=mine["pipeline_version_reference"],
        trigger={"cron_schedule": {"cron": "0 0 1 * * *", "start_time": begins, "end_time": ends}},
        runtime_config={"parameters": {"seed": 3}, "pipeline_root": "s3://plant/artifacts"},
    )

    done = schedule("change", "theirs", "--set", "shards=2")

    assert done.code == 0, done.err
    changed = only(deployed)
    cron = changed["trigger"]["cron_schedule"]
    assert cron["cron"] == "0 0 1 * * *"
    assert cron["start_time"].startswith("2026-11-01T00:00:00")
    assert cron["end_time"].startswith("2026-12-24T00:00:00")
    assert changed["runtime_config"]["pipeline_root"] == "s3://plant/artifacts"
    assert changed["runtime_config"]["parameters"] == {"seed": 3, "shards": 2}
    assert changed["experiment_id"] == mine["experiment_id"]


def test_a_schedule_that_runs_every_so_many_seconds_is_not_made_anew_unasked(
    deployed: Backend, schedule: Defectory
) -> None:
    schedule("create", "mine", "--cron", "@daily")
    mine = deployed.recurring.popitem()[1]
    theirs = in_the_ui(
        deployed,
        "theirs",
        pipeline_version_reference=mine["pipeline_version_reference"],
        trigger={"periodic_schedule": {"interval_second": "3600"}},
    )

    listed = schedule("list")
    refused = schedule("change", "theirs", "--set", "seed=3")
    untouched = only(deployed) is theirs
    done = schedule("change", "theirs", "--set", "seed=3", "--cron", "@hourly")

    assert "every 3600 s" in listed.out
    assert refused.code == 2
    assert "runs every 3600 s" in refused.err
    assert "--cron" in refused.err
    assert untouched
    assert done.code == 0, done.err
    assert only(deployed)["trigger"] == {"cron_schedule": {"cron": "0 0 * * * *"}}


def test_the_clock_that_a_schedule_was_made_for_is_kept(
    deployed: Backend, schedule: Defectory
) -> None:
    berlin = ("--time-zone", "Europe/Berlin")
    schedule(
        "create", "nightly", "--cron", "0 3 * * *", *berlin, "--server-time-zone", "Europe/Berlin"
    )

    values = schedule("change", "nightly", "--set", "seed=3")
    time = schedule("change", "nightly", "--cron", "30 4 * * *")
    again = schedule("create", "nightly", "--cron", "30 4 * * *", *berlin, "--set", "seed=3")

    assert [one.code for one in (values, time, again)] == [0, 0, 0], time.err + again.err
    assert values.out.splitlines()[1].count("03:00") == 3
    assert time.out.splitlines()[1].count("04:30") == 3
    assert only(deployed)["trigger"]["cron_schedule"]["cron"] == "0 30 4 * * *"
    assert "is there already" in again.out


@pytest.mark.parametrize("name", ["a+b", "50%", "100%25", "c++ & more", "n\u00e4chtlich \u65e5"])
def test_every_sign_of_a_name_reaches_the_server(
    deployed: Backend, schedule: Defectory, name: str
) -> None:
    """The server decodes filters twice."""
    first = schedule("create", name, "--cron", "@daily")
    again = schedule("create", name, "--cron", "@daily")
    paused = schedule("pause", name)
    kept = only(deployed)
    removed = schedule("delete", name)

    assert first.code == again.code == paused.code == removed.code == 0
    assert "is there already" in again.out
    assert "is paused" in paused.out
    assert kept["display_name"] == name
    assert "is removed" in removed.out
    assert deployed.recurring == {}


@pytest.mark.parametrize(
    "words",
    [
        ("create", "nightly", "--cron", "@daily", "--data", "/store/\U00020bb7"),
        ("create", "nightly", "--cron", "@daily", "--set", "data=/store/\U00020bb7"),
        ("create", "nightly", "--cron", "@daily", "--service-account", "s\U0001f642"),
        ("change", "Schicht \U0001f642", "--set", "seed=1"),
        ("pause", "Schicht \U0001f642"),
        ("delete", "Schicht \U0001f642"),
    ],
)
def test_what_the_database_cannot_write_is_refused_before_it_leaves_something(
    deployed: Backend, schedule: Defectory, words: tuple[str, ...]
) -> None:
    done = schedule(*words)

    assert done.code == 2
    assert "beyond U+FFFF" in done.err
    assert deployed.orphans == []
    assert deployed.recurring == {}


def test_a_service_account_that_no_pod_can_have_is_refused(
    deployed: Backend, schedule: Defectory
) -> None:
    done = schedule("create", "nightly", "--cron", "@daily", "--service-account", "no such")

    assert done.code == 2
    assert "'no such' is no name of a service account" in done.err
    assert deployed.requests == []


def test_a_schedule_moves_to_another_experiment(deployed: Backend, schedule: Defectory) -> None:
    schedule("create", "nightly", "--cron", "@daily")
    before = len(deployed.experiments)

    refused = schedule("create", "nightly", "--cron", "@daily", "--experiment", "line 2")
    unmade = len(deployed.experiments) == before
    done = schedule("change", "nightly", "--experiment", "line 2")

    assert refused.code == 2
    assert "with another experiment: defectory schedule change nightly" in refused.err
    assert unmade
    assert done.code == 0, done.err
    where = deployed.experiments[only(deployed)["experiment_id"]]
    assert where["display_name"] == "line 2"
