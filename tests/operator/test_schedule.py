import copy
from pathlib import Path

import pytest
from conftest import put
from kfp_backend import Backend
from recurring import only, started


def test_a_schedule_is_made_with_safe_defaults(deployed: Backend, schedule) -> None:
    done = schedule("create", "nightly", "--cron", "0 3 * * mon-fri")

    assert done.code == 0, done.err
    made = only(deployed)
    assert made["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * 1-5"
    assert made["max_concurrency"] == "1"
    assert made["no_catchup"] is True
    assert made["status"] == "ENABLED"
    assert made["runtime_config"]["parameters"] == {"skip_unchanged": True}
    assert made["service_account"] == "defectory-runner"
    assert made["pipeline_version_reference"]["pipeline_version_id"]
    assert "03:00" in done.out


def test_making_it_again_does_nothing(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    before = deployed.asked("POST", "/recurringruns")

    done = schedule("create", "nightly", "--cron", "0 3 * * *")

    assert done.code == 0
    assert "already" in done.out
    assert deployed.asked("POST", "/recurringruns") == before == 1


def test_making_it_again_otherwise_is_refused(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")

    done = schedule("create", "nightly", "--cron", "0 4 * * *", "--set", "seed=3")

    assert done.code == 2
    assert "time, values" in done.err
    assert "schedule change nightly" in done.err


def test_what_argo_has_no_room_for_is_not_scheduled(deployed: Backend, schedule) -> None:
    refused = schedule("create", "nightly", "--cron", "@daily", "--set", "shards=60")
    assert refused.code == 2
    assert "218 tasks" in refused.err
    assert deployed.recurring == {}

    told = schedule("create", "nightly", "--cron", "@daily", "--set", "shards=20")
    assert told.code == 0
    assert "98 tasks" in told.err

    refused = schedule("change", "nightly", "--set", "shards=60")
    assert refused.code == 2
    assert only(deployed)["runtime_config"]["parameters"]["shards"] == 20
    assert schedule("change", "nightly", "--set", "shards=2").err == ""


def test_the_newest_version_can_be_followed(deployed: Backend, schedule) -> None:
    done = schedule("create", "nightly", "--cron", "@daily", "--latest", "--set", "seed=3")

    assert done.code == 0, done.err
    about = only(deployed)["description"]
    assert "the newest version, with seed=3 skip_unchanged=true" in about
    reference = only(deployed)["pipeline_version_reference"]
    assert reference["pipeline_id"]
    assert not reference.get("pipeline_version_id")


def test_a_newer_version_does_not_make_a_pinned_schedule_another(
    deployed: Backend, schedule, package: Path
) -> None:
    schedule("create", "nightly", "--cron", "@daily")
    put(deployed, package, "defectory-valvano-kind", "ba9876543210")

    assert schedule("create", "nightly", "--cron", "@daily").code == 0
    assert only(deployed)["pipeline_version_reference"]["pipeline_version_id"].endswith(
        "0123456789ab"
    )


def test_changing_keeps_what_is_not_given(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *", "--set", "seed=3", "--catch-up")

    done = schedule("change", "nightly", "--cron", "30 2 * * *", "--set", "shards=4")

    assert done.code == 0, done.err
    assert "changed: time, values" in done.out
    changed = only(deployed)
    assert changed["trigger"]["cron_schedule"]["cron"] == "0 30 2 * * *"
    assert changed["no_catchup"] is False
    assert changed["runtime_config"]["parameters"] == {
        "seed": 3,
        "shards": 4,
        "skip_unchanged": True,
    }


def test_the_service_account_can_be_another(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "@daily", "--service-account", "default-editor")
    first = only(deployed)["service_account"]

    schedule("change", "nightly", "--service-account", "another")

    assert (first, only(deployed)["service_account"]) == ("default-editor", "another")


def test_changing_nothing_does_nothing(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    (identity,) = deployed.recurring

    done = schedule("change", "nightly", "--cron", "0 3 * * *")

    assert done.code == 0
    assert "is so already" in done.out
    assert list(deployed.recurring) == [identity]


def test_a_schedule_is_not_changed_while_its_run_goes_on(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    run = started(deployed)

    refused = schedule("change", "nightly", "--cron", "0 4 * * *")
    paused = schedule("change", "nightly", "--cron", "0 4 * * *", "--paused")

    assert refused.code == 2
    assert run["run_id"] in refused.err
    assert paused.code == 0, paused.err
    assert run["state"] == "RUNNING"
    assert only(deployed)["status"] == "DISABLED"


def test_deleting_leaves_runs_that_go_on(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    run = started(deployed)

    assert schedule("delete", "nightly").code == 0
    assert deployed.recurring == {}
    assert run["state"] == "RUNNING"
    again = schedule("delete", "nightly")
    assert again.code == 0
    assert "nothing to do" in again.out


def test_a_change_that_the_server_refuses_leaves_the_old_schedule_on(
    deployed: Backend, schedule
) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    deployed.fail(r"POST .*/recurringruns$", 500, "Internal Server Error")

    done = schedule("change", "nightly", "--cron", "0 4 * * *")

    assert done.code == 3
    left = only(deployed)
    assert left["status"] == "ENABLED"
    assert left["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"


CREATE, STOP, START, REMOVE = (
    r"POST .*/recurringruns$",
    r"POST .*:disable$",
    r"POST .*:enable$",
    r"DELETE .*/recurringruns/",
)


@pytest.mark.parametrize("answered", [False, True], ids=["refused", "answer lost"])
@pytest.mark.parametrize("call", [CREATE, STOP, START, REMOVE])
def test_a_change_that_fails_at_any_call_leaves_one_schedule_on(
    deployed: Backend, schedule, call: str, answered: bool
) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    if answered:
        deployed.lose(call)
    else:
        deployed.fail(call, 500, "Internal Server Error")

    done = schedule("change", "nightly", "--cron", "0 4 * * *")

    assert done.code == 3
    (on,) = [one for one in deployed.recurring.values() if one["status"] == "ENABLED"]
    changed = on["trigger"]["cron_schedule"]["cron"] == "0 0 4 * * *"
    assert changed is (call == REMOVE), "only a change that is done stays"
    again = schedule("change", "nightly", "--cron", "0 4 * * *")
    assert again.code == 0, again.err
    assert only(deployed)["status"] == "ENABLED"
    assert only(deployed)["trigger"]["cron_schedule"]["cron"] == "0 0 4 * * *"


@pytest.mark.parametrize("last", [CREATE, STOP, START])
def test_a_server_that_goes_away_during_a_change_never_runs_two(
    deployed: Backend, schedule, last: str
) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    deployed.lose(last, ever_after=True)

    done = schedule("change", "nightly", "--cron", "0 4 * * *")

    assert done.code == 3
    if last != CREATE:
        assert "schedule resume nightly" in done.err
    assert sum(one["status"] == "ENABLED" for one in deployed.recurring.values()) <= 1
    deployed.faults.clear()
    assert schedule("resume", "nightly").code == 0
    assert only(deployed)["status"] == "ENABLED"


def _killed_between(deployed: Backend, schedule, *words: str) -> None:
    """Leave what a change leaves that ends between stopping the old one and starting the new."""
    deployed.lose(STOP, ever_after=True)
    assert schedule("change", "nightly", *words).code == 3
    deployed.faults.clear()
    assert [one["status"] for one in deployed.recurring.values()] == ["DISABLED", "DISABLED"]


@pytest.mark.parametrize("what", ["create", "change"])
def test_the_same_command_again_mends_a_change_that_was_killed(
    deployed: Backend, schedule, what: str
) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    _killed_between(deployed, schedule, "--cron", "0 4 * * *")

    done = schedule(what, "nightly", "--cron", "0 4 * * *")

    assert done.code == 0, done.err
    assert only(deployed)["status"] == "ENABLED"
    assert only(deployed)["trigger"]["cron_schedule"]["cron"] == "0 0 4 * * *"
    assert "already" in schedule(what, "nightly", "--cron", "0 4 * * *").out


def test_another_change_mends_one_that_was_killed_too(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    _killed_between(deployed, schedule, "--cron", "0 4 * * *")

    assert schedule("change", "nightly", "--cron", "0 5 * * *").code == 0
    assert only(deployed)["status"] == "ENABLED"
    assert only(deployed)["trigger"]["cron_schedule"]["cron"] == "0 0 5 * * *"


def test_a_refusal_says_that_a_killed_change_has_left_the_schedule_paused(
    deployed: Backend, schedule
) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    _killed_between(deployed, schedule, "--cron", "0 4 * * *")

    done = schedule("create", "nightly", "--cron", "0 3 * * *")

    assert done.code == 2
    assert "paused since a change was interrupted: defectory schedule resume nightly" in done.err


@pytest.mark.parametrize("what", ["create", "change"])
def test_what_was_paused_on_purpose_stays_so_after_a_killed_change(
    deployed: Backend, schedule, what: str
) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *", "--paused")
    deployed.fail(REMOVE, 500)
    assert schedule("change", "nightly", "--cron", "0 4 * * *").code == 3
    assert [one["status"] for one in deployed.recurring.values()] == ["DISABLED", "DISABLED"]

    assert schedule(what, "nightly", "--cron", "0 4 * * *").code == 0
    assert only(deployed)["status"] == "DISABLED"


@pytest.mark.parametrize("what", ["create", "change"])
def test_a_killed_change_can_be_mended_paused(deployed: Backend, schedule, what: str) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    _killed_between(deployed, schedule, "--cron", "0 4 * * *")

    assert schedule(what, "nightly", "--cron", "0 4 * * *", "--paused").code == 0
    assert only(deployed)["status"] == "DISABLED"
    assert schedule(what, "nightly", "--cron", "0 4 * * *").code == 0
    assert only(deployed)["status"] == "DISABLED", "it is paused on purpose now"


def test_pausing_that_is_interrupted_starts_nothing_later(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    deployed.lose(CREATE, ever_after=True)
    assert schedule("change", "nightly", "--cron", "0 4 * * *").code == 3
    deployed.faults.clear()
    deployed.fail(REMOVE, 500)
    assert schedule("pause", "nightly").code == 3
    assert schedule("pause", "nightly").code == 0

    assert schedule("change", "nightly", "--cron", "0 4 * * *").code == 0
    assert only(deployed)["status"] == "DISABLED"


def test_a_spare_left_by_an_interrupted_change_is_removed(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    deployed.fail(r"DELETE .*/recurringruns/", 500)
    interrupted = schedule("change", "nightly", "--cron", "0 4 * * *")
    assert interrupted.code == 3
    assert sorted(one["status"] for one in deployed.recurring.values()) == ["DISABLED", "ENABLED"]

    done = schedule("change", "nightly", "--cron", "0 4 * * *")

    assert done.code == 0, done.err
    assert only(deployed)["trigger"]["cron_schedule"]["cron"] == "0 0 4 * * *"
    assert only(deployed)["status"] == "ENABLED"


def test_pausing_and_resuming_say_when_there_was_nothing_to_do(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")

    said = [schedule(what, "nightly").out for what in ("pause", "pause", "resume", "resume")]

    assert ["already" in one for one in said] == [False, True, False, True]
    assert only(deployed)["status"] == "ENABLED"


def test_making_a_paused_schedule_again_does_not_start_it(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    schedule("pause", "nightly")

    assert schedule("create", "nightly", "--cron", "0 3 * * *").code == 0
    assert only(deployed)["status"] == "DISABLED"


def test_a_paused_schedule_can_be_made(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *", "--paused")

    assert only(deployed)["status"] == "DISABLED"


def test_the_list_shows_times_as_they_were_meant(deployed: Backend, schedule) -> None:
    for name in ("alpha", "beta", "gamma"):
        schedule("create", name, "--cron", "0 3 * * mon", "--time-zone", "Asia/Tokyo", "--latest")
    schedule("pause", "beta")

    done = schedule("list")

    lines = done.out.splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [
        ["alpha", "on"],
        ["beta", "paused"],
        ["gamma", "on"],
    ]
    assert all("0 3 * * mon" in line and "Asia/Tokyo" in line for line in lines)
    assert all("defectory-valvano-kind" in line and "newest" in line for line in lines)
    assert all(line.endswith("skip_unchanged=true") for line in lines)


def test_another_time_zone_is_converted_or_refused(deployed: Backend, schedule) -> None:
    tokyo = schedule("create", "tokyo", "--cron", "0 3 * * mon", "--time-zone", "Asia/Tokyo")
    berlin = schedule("create", "berlin", "--cron", "0 3 * * *", "--time-zone", "Europe/Berlin")
    fixed = schedule(
        "create", "fixed", "--cron", "0 3 * * *", "--time-zone", "Europe/Berlin", "--standard-time"
    )
    native = schedule(
        "create", "native", "--cron", "0 3 * * *", "--time-zone", "Europe/Berlin",
        "--server-time-zone", "Europe/Berlin",
    )  # fmt: skip

    assert (tokyo.code, berlin.code, fixed.code, native.code) == (0, 2, 0, 0)
    assert "cronScheduleTimezone" in berlin.err
    made = {
        one["display_name"]: one["trigger"]["cron_schedule"]["cron"]
        for one in deployed.recurring.values()
    }
    assert made == {"tokyo": "0 0 18 * * 0", "fixed": "0 0 2 * * *", "native": "0 0 3 * * *"}


def test_a_branch_stays_a_branch(deployed: Backend, schedule) -> None:
    data = "https://git.example/photos.git:data.dvc"

    done = schedule("create", "n", "--cron", "@daily", "--data", data, "--revision", "main")

    assert done.code == 0, done.err
    values = only(deployed)["runtime_config"]["parameters"]
    assert (values["data"], values["revision"]) == (data, "main")


def test_other_data_does_not_keep_the_revision_of_the_data_before(
    deployed: Backend, schedule
) -> None:
    first, second = (f"https://git.example/{name}.git:data.dvc" for name in ("one", "two"))
    schedule("create", "n", "--cron", "@daily", "--data", first, "--revision", "v1")

    def values(*words: str) -> tuple[str, str]:
        done = schedule("change", "n", *words)
        assert done.code == 0, done.err
        given = only(deployed)["runtime_config"]["parameters"]
        return given["data"], given["revision"]

    assert values("--data", second) == (second, "")
    assert values("--revision", "v2") == (second, "v2")
    assert values("--set", "seed=3") == (second, "v2")
    assert values("--data", "/store/photos") == ("/store/photos", "")
    assert values("--data", first, "--revision", "v3") == (first, "v3")
    assert values("--set", f"data={second}") == (second, "")


def test_the_newest_version_decides_on_parameters_once_it_is_followed(
    deployed: Backend, schedule, package: Path
) -> None:
    schedule("create", "nightly", "--cron", "@daily")
    newest = put(deployed, package, "defectory-valvano-kind", "ba9876543210")
    version = deployed.versions[newest]
    spec = version["pipeline_spec"] = copy.deepcopy(version["pipeline_spec"])
    known = spec.get("pipeline_spec", spec)["root"]["inputDefinitions"]["parameters"]
    known["novel"] = {"parameterType": "NUMBER_INTEGER", "defaultValue": 1.0}

    pinned = schedule("change", "nightly", "--set", "novel=2")
    done = schedule("change", "nightly", "--latest", "--set", "novel=2")

    assert pinned.code == 2
    assert done.code == 0, done.err
    assert only(deployed)["runtime_config"]["parameters"]["novel"] == 2
    assert not only(deployed)["pipeline_version_reference"].get("pipeline_version_id")


def test_another_pipeline_is_followed_or_pinned_as_the_one_before(
    deployed: Backend, schedule, package: Path
) -> None:
    other = put(deployed, package, "defectory-valvano-gpu", "ba9876543210")
    ours = ("--pipeline", "defectory-valvano-kind")
    theirs = ("--pipeline", "defectory-valvano-gpu")
    schedule("create", "nightly", "--cron", "@daily", "--latest", *ours)

    def reference(*words: str) -> tuple[str, str]:
        done = schedule("change", "nightly", *words)
        assert done.code == 0, done.err
        found = only(deployed)["pipeline_version_reference"]
        return found["pipeline_id"], found.get("pipeline_version_id") or ""

    assert reference(*theirs) == ("id-of-defectory-valvano-gpu", "")
    assert reference(*theirs, "--version", "ba9876543210") == ("id-of-defectory-valvano-gpu", other)
    assert reference(*ours)[1].endswith("0123456789ab")


def test_standard_time_is_kept_until_it_is_given_up(deployed: Backend, schedule) -> None:
    zone = ("--time-zone", "Europe/Berlin")
    schedule("create", "nightly", "--cron", "0 3 * * *", *zone, "--standard-time")

    kept = schedule("change", "nightly", "--cron", "0 4 * * *")
    given_up = schedule("change", "nightly", "--no-standard-time")

    assert kept.code == 0, kept.err
    assert only(deployed)["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert given_up.code == 2
    assert "summer time" in given_up.err


def test_another_clock_of_the_server_moves_the_expression(deployed: Backend, schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *", "--time-zone", "Asia/Tokyo")
    before = only(deployed)["trigger"]["cron_schedule"]["cron"]

    done = schedule("change", "nightly", "--server-time-zone", "Asia/Tokyo")

    assert done.code == 0, done.err
    assert before == "0 0 18 * * *"
    assert only(deployed)["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert "03:00" in done.out


@pytest.mark.parametrize("option", ["--time-zone", "--server-time-zone"])
@pytest.mark.parametrize("what", ["create", "change"])
def test_a_zone_that_is_none_is_told_before_the_server_is_asked(
    deployed: Backend, schedule, what: str, option: str
) -> None:
    needed = ("--cron", "@daily") if what == "create" else ()

    done = schedule(what, "nightly", *needed, option, "Europe/Berln")

    assert done.code == 2
    assert f"{option} Europe/Berln: is no time zone" in done.err
    assert deployed.requests == []


def test_a_schedule_that_is_not_there_is_told_with_those_that_are(schedule) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")

    for what in ("pause", "resume", "change"):
        done = schedule(what, "nihgtly")
        assert done.code == 2
        assert "nightly" in done.err


def test_a_wrong_expression_is_told_before_the_server_is_asked(deployed: Backend, schedule) -> None:
    done = schedule("create", "nightly", "--cron", "61 25 * * *")

    assert done.code == 2
    assert len(done.err.splitlines()) == 2
    assert deployed.requests == []
