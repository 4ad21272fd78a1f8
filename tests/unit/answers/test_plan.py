from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.answers.plan import MOST_LISTED
from chalicelib.model.jobs import BUNDLE, Job
from chalicelib.model.planning import to_mend
from tests.conftest import job_record
from tests.unit.answers.job_sets import (
    NEW,
    OLD,
    START,
    builtin,
    candidate,
    changes,
    in_force,
    member,
    off,
    planned,
)

DAILY = job_record("daily", "0 8 * * *")
NIGHT = job_record("night", "30 2 * * *")
HOURLY = job_record("hourly", "5 * * * *")


def only(found: Any) -> Any:
    (one,) = found["jobs"]
    return one


def test_a_revision_like_the_one_in_force_changes_nothing() -> None:
    found = planned(candidate(DAILY | {"place": "manifest.py:99"}), in_force(member(DAILY), builtin()))
    assert (found["from"], found["to"], found["jobs"], found["collisions"]) == (OLD, NEW, [], [])
    assert found["load"]["before"] == found["load"]["after"] == 3 + 3 * 96
    assert not to_mend(found)


def test_a_job_is_added_and_another_removed() -> None:
    found = planned(candidate(HOURLY), in_force(member(DAILY), builtin()))
    assert changes(found) == {"daily": "removed", "hourly": "added"}
    gone, new = found["jobs"]
    assert (gone["appear"], gone["vanish"], gone["after"]) == (0, 3, None)
    assert (new["appear"], new["vanish"], new["before"]) == (72, 0, None)
    assert new["after"]["cron"] == "5 * * * *"
    assert [one["at"] for one in new["examples"]] == [f"2026-03-02T{hour}:05:00Z" for hour in (12, 13, 14)]
    assert {one["what"] for one in new["examples"]} == {"appears"}


@pytest.mark.parametrize(
    "fields", [{"cron": "0 9 * * *"}, {"timezone": "Asia/Kathmandu"}, {"enabled": False}]
)
def test_another_time_zone_or_switch_reschedules_a_job(fields: dict[str, Any]) -> None:
    one = only(planned(candidate(DAILY | fields), in_force(member(DAILY))))
    assert (one["change"], one["changed"]) == ("rescheduled", list(fields))
    assert one["vanish"] == 3
    assert one["appear"] == (0 if "enabled" in fields else 3)
    (name,) = fields
    assert (one["before"][name], one["after"][name]) == (DAILY[name], fields[name])


def test_another_definition_with_the_same_times_is_an_edit() -> None:
    one = only(planned(candidate(DAILY | {"timeout_seconds": 60}), in_force(member(DAILY))))
    assert (one["change"], one["changed"], one["appear"], one["vanish"]) == (
        "edited",
        ["timeout_seconds"],
        0,
        0,
    )
    assert (one["before"]["timeout_seconds"], one["after"]["timeout_seconds"]) == (300, 60)


def test_a_renamed_job_keeps_its_occurrences_and_its_override() -> None:
    new = job_record("nightly", "30 2 * * *", renamed_from="night")
    one = only(planned(candidate(new), in_force(member(NIGHT, override=off(enabled=True)))))
    assert (one["job_id"], one["change"], one["appear"], one["vanish"]) == ("nightly", "renamed", 0, 0)
    assert (one["before"]["id"], one["after"]["id"]) == ("night", "nightly")
    assert "keeps it on" in one["note"]


def test_a_rename_of_a_job_that_stays_or_to_an_id_that_was_there_is_none() -> None:
    new = job_record("nightly", "30 2 * * *", renamed_from="night")
    assert changes(planned(candidate(NIGHT, new), in_force(member(NIGHT)))) == {"nightly": "added"}
    left = Job(member(new).spec, BUNDLE, OLD, False, None, START, None, None, START)
    found = planned(candidate(new), in_force(member(NIGHT), gone=[left]))
    assert changes(found) == {"night": "removed", "nightly": "added"}


def test_a_job_that_an_operator_switched_off_has_no_occurrences_and_the_plan_says_so() -> None:
    edited = DAILY | {"description": "new"}
    found = planned(candidate(edited), in_force(member(DAILY, override=off())))
    one = only(found)
    assert (one["change"], one["appear"], one["after"]["enabled"]) == ("edited", 0, False)
    assert "An operator keeps it off" in one["note"]
    assert found["load"]["after"] == 0


def test_an_override_that_ends_in_those_days_counts_until_then() -> None:
    until = START + timedelta(days=1)
    found = planned(candidate(DAILY), in_force(member(DAILY, override=off(until))))
    assert found["load"]["before"] == found["load"]["after"] == 2
    forced = planned(
        candidate(DAILY | {"enabled": False}), in_force(member(DAILY, override=off(until, enabled=True)))
    )
    assert (forced["load"]["before"], forced["load"]["after"]) == (3, 1)
    one = only(forced)
    assert (one["change"], one["changed"], one["vanish"]) == ("edited", ["enabled_in_bundle"], 2)


def test_an_override_of_a_job_that_left_holds_when_it_comes_back() -> None:
    left = Job(member(DAILY).spec, BUNDLE, OLD, False, off(), START, None, None, START)
    one = only(planned(candidate(DAILY), in_force(gone=[left])))
    assert (one["change"], one["appear"]) == ("added", 0)


def test_a_definition_that_is_rejected_is_a_problem_and_its_job_counts_as_removed() -> None:
    refused = [{"job_id": "daily", "place": "manifest.py:7", "reason": "write 0 to 59"}]
    found = planned(candidate(HOURLY, rejected=refused), in_force(member(DAILY), member(HOURLY)))
    one = only(found)
    assert (one["job_id"], one["change"], one["vanish"], one["after"]) == ("daily", "removed", 3, None)
    (problem,) = found["problems"]
    assert (problem["job_id"], problem["problem"]) == ("daily", "write 0 to 59")
    assert "manifest.py:7" in problem["cure"]
    assert to_mend(found)


def test_mending_a_rejected_job_brings_its_occurrences_back() -> None:
    one = only(planned(candidate(DAILY), in_force(member(DAILY, rejected="write 0 to 59"))))
    assert (one["change"], one["appear"], one["before"]["rejected"]) == ("edited", 3, "write 0 to 59")


def test_a_revision_that_a_sync_would_hold_is_a_problem_with_the_cure() -> None:
    now = in_force(*(member(job_record(f"job-{number}")) for number in range(4)), builtin())
    held = planned(candidate(job_record("job-0")), now)
    (problem,) = held["problems"]
    assert problem["job_id"] is None
    assert "remove 3 of 4 jobs (job-1, job-2, job-3)" in problem["problem"]
    assert "sauron sync --accept-removals" in problem["cure"]
    kept = planned(candidate(job_record("job-0"), job_record("job-1")), now)
    assert kept["problems"] == []


def test_a_manifest_that_does_not_load_is_a_problem_and_changes_nothing() -> None:
    found = planned(replace(candidate(), fault="line 3: oops"), in_force(member(DAILY)))
    assert (found["jobs"], found["load"]["after"]) == ([], 3)
    assert found["problems"][0]["problem"] == "line 3: oops"
    assert to_mend(found)


def test_required_secrets_that_are_not_set_are_named() -> None:
    found = planned(candidate(DAILY, HOURLY), in_force(), missing=lambda spec: ["KEY"] * (spec.id == "daily"))
    assert found["missing_secrets"] == [{"job_id": "daily", "missing": ["KEY"]}]
    assert to_mend(found)


def test_jobs_that_would_newly_fire_together_are_named_with_the_minute() -> None:
    late = job_record("late", "0 8 * * *")
    found = planned(candidate(DAILY, HOURLY, late), in_force(member(DAILY), member(HOURLY), builtin()))
    assert found["collisions"] == [
        {"at": f"2026-03-0{day}T08:00:00Z", "jobs": ["daily", "late"]} for day in (3, 4, 5)
    ]
    assert found["collisions_count"] == 3


def test_of_many_collisions_the_first_are_listed_and_all_are_counted() -> None:
    found = planned(candidate(job_record("a"), job_record("b")), in_force())
    assert len(found["collisions"]) == MOST_LISTED
    assert found["collisions_count"] == 3 * 24 * 60


def test_what_a_jump_of_the_clock_does_to_the_jobs_is_told() -> None:
    berlin = NIGHT | {"timezone": "Europe/Berlin"}
    found = planned(candidate(berlin), in_force(), days=30)
    assert [(one["job_id"], one["at"]) for one in found["dst"]] == [("night", "2026-03-29T01:00:00Z")]
    assert planned(candidate(berlin | {"enabled": False}), in_force(), days=30)["dst"] == []


def test_an_override_that_is_over_counts_no_more_also_when_the_clock_jumps() -> None:
    over = member(DAILY, override=off(START - timedelta(hours=1)))
    one = only(planned(candidate(DAILY | {"description": "new"}), in_force(over)))
    assert (one["after"]["enabled"], one["note"]) == (True, None)
    berlin = NIGHT | {"timezone": "Europe/Berlin"}
    back = member(berlin, override=off(START + timedelta(days=1)))
    assert len(planned(candidate(berlin), in_force(back), days=30)["dst"]) == 1


def test_a_job_that_follows_others_than_before_is_rescheduled_and_a_pool_is_an_edit() -> None:
    a, b = job_record("a", "0 8 * * *"), job_record("b", "0 8 * * *")
    now = in_force(member(a), member(b), member(job_record("c", "", after=["a"])), member(job_record("d")))
    new = candidate(a, b, job_record("c", "", after=["a", "b"]), job_record("d", pool="db", priority=2))
    found = planned(new, now)
    assert changes(found) == {"c": "rescheduled", "d": "edited"}
    c, d = found["jobs"]
    assert (c["changed"], c["after"]["schedule_text"], c["appear"]) == (["after"], "after a and b", 0)
    assert d["changed"] == ["pool", "priority"]
