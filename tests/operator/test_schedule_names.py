"""A name stands for one schedule, and nobody else's is taken for it."""

import pytest
from conftest import Defectory, put
from kfp_backend import Backend
from recurring import in_the_ui, only

OURS = {"pipeline_id": "id-of-defectory-valvano-kind"}
MADE_HERE = "by defectory schedule: at '0 5 * * *' in UTC, server clock UTC"


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"status": "DISABLED"},
        {"pipeline_version_reference": OURS, "description": MADE_HERE},
        {"pipeline_version_reference": OURS, "status": "DISABLED"},
        {"status": "DISABLED", "description": MADE_HERE},
    ],
    ids=["on", "of another pipeline", "ours and on", "not made here", "made here for another"],
)
@pytest.mark.parametrize(
    "words",
    [
        ("create", "nightly", "--cron", "0 3 * * *"),
        ("change", "nightly", "--cron", "0 4 * * *"),
        ("pause", "nightly"),
        ("resume", "nightly"),
        ("delete", "nightly"),
    ],
    ids=lambda words: words[0],
)
def test_another_schedule_of_the_name_is_never_removed(
    deployed: Backend, schedule: Defectory, words: tuple[str, ...], other: dict[str, str]
) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    theirs = in_the_ui(deployed, "nightly", **other)
    before = {identity: dict(one) for identity, one in deployed.recurring.items()}

    done = schedule(*words)

    assert done.code == 2
    assert all(identity in done.err for identity in before)
    assert f"/#/recurringrun/details/{theirs['recurring_run_id']}" in done.err
    assert "remove the others in KFP's UI" in done.err
    assert deployed.recurring == before


def test_what_a_change_of_the_pipeline_has_left_is_removed(
    deployed: Backend, schedule: Defectory, package
) -> None:
    put(deployed, package, "defectory-valvano-gpu", "ba9876543210")
    schedule("create", "nightly", "--cron", "@daily", "--pipeline", "defectory-valvano-kind")
    deployed.fail(r"DELETE .*/recurringruns/", 500)
    theirs = ("--pipeline", "defectory-valvano-gpu")
    assert schedule("change", "nightly", *theirs).code == 3
    assert len(deployed.recurring) == 2

    done = schedule("change", "nightly", *theirs)

    assert done.code == 0, done.err
    reference = only(deployed)["pipeline_version_reference"]
    assert reference["pipeline_id"] == "id-of-defectory-valvano-gpu"


def test_every_schedule_of_a_name_is_listed(deployed: Backend, schedule: Defectory) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *", "--paused")
    in_the_ui(deployed, "nightly")

    lines = schedule("list").out.splitlines()[1:]

    assert sorted(line.split()[1] for line in lines) == ["on", "paused"]


@pytest.mark.parametrize("name", ["Nightly", "NIGHTLY", "n\u00efghtly"])
def test_a_name_that_differs_in_case_or_accents_is_another(
    deployed: Backend, schedule: Defectory, name: str
) -> None:
    theirs = in_the_ui(deployed, name)

    made = schedule("create", "nightly", "--cron", "0 3 * * *")
    deleted = schedule("delete", "nightly")

    assert (made.code, deleted.code) == (0, 0), made.err
    assert deployed.recurring == {theirs["recurring_run_id"]: theirs}


def test_two_who_make_a_schedule_at_once_make_one(deployed: Backend, schedule: Defectory) -> None:
    mine = ("create", "nightly", "--cron", "0 3 * * *")
    schedule(*mine)
    theirs = deployed.recurring.popitem()[1]
    deployed.change_after(
        r"POST .*/recurringruns$", 1,
        lambda: deployed.recurring.setdefault(theirs["recurring_run_id"], theirs),
    )  # fmt: skip

    same = schedule(*mine)
    deployed.recurring.clear()
    different = schedule("create", "nightly", "--cron", "0 4 * * *")

    assert same.code == 0, same.err
    assert "is there already" in same.out
    assert different.code == 2
    assert "another time" in different.err
    assert only(deployed) is theirs


def test_where_nobody_was_first_nobody_makes_two(deployed: Backend, schedule: Defectory) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    theirs = deployed.recurring.popitem()[1]

    def at_the_same_moment() -> None:
        deployed.recurring["theirs"] = theirs | {"recurring_run_id": "theirs"}
        deployed.recurring["theirs"]["created_at"] = deployed.now()
        deployed._clock -= 1

    deployed.change_after(r"POST .*/recurringruns$", 1, at_the_same_moment)

    done = schedule("create", "nightly", "--cron", "0 3 * * *")

    assert done.code == 3
    assert "try again" in done.err
    assert list(deployed.recurring) == ["theirs"]


def test_two_who_change_a_schedule_at_once_never_run_two(
    deployed: Backend, schedule: Defectory
) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    (identity,) = deployed.recurring
    theirs = only(deployed) | {"recurring_run_id": "theirs", "status": "DISABLED"}
    deployed.change_after(
        r"POST .*/recurringruns$", 1, lambda: deployed.recurring.setdefault("theirs", theirs)
    )

    done = schedule("change", "nightly", "--cron", "0 4 * * *")

    assert done.code == 3
    assert "try again" in done.err
    assert list(deployed.recurring) == [identity, "theirs"]
    assert deployed.recurring[identity]["status"] == "ENABLED"


@pytest.mark.parametrize("gone", [False, True])
def test_a_pause_during_a_change_is_not_lost(
    gone: bool, deployed: Backend, schedule: Defectory
) -> None:
    schedule("create", "nightly", "--cron", "0 3 * * *")
    (identity,) = deployed.recurring

    def at_the_same_moment() -> None:
        if gone:
            deployed.recurring.pop(identity, None)
        else:
            deployed.recurring[identity] |= {"mode": "DISABLE", "status": "DISABLED"}

    deployed.change_after(r"POST .*/recurringruns$", 1, at_the_same_moment)

    done = schedule("change", "nightly", "--cron", "0 4 * * *")

    assert done.code == 3
    assert "try again" in done.err
    assert list(deployed.recurring) == ([] if gone else [identity])
    assert all(one["status"] == "DISABLED" for one in deployed.recurring.values())


def test_commands_that_are_proposed_can_be_copied(deployed: Backend, schedule: Defectory) -> None:
    schedule("create", "every night; all", "--cron", "0 3 * * *")

    done = schedule("create", "every night; all", "--cron", "0 4 * * *")

    assert done.code == 2
    assert "defectory schedule change 'every night; all' changes it" in done.err
