from __future__ import annotations

from typing import Any

import pytest

from chalicelib.answers.revision_changes import compare

TEN, FIVE = {"cron": "*/10 * * * *"}, {"cron": "*/5 * * * *"}


def job(job_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": job_id, "cron": "0 8 * * *", "timezone": "UTC", "timeout_seconds": 300, **fields}


def said(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one.mark, one.job_id, one.what) for one in compare((before, ()), (after, ()))]


@pytest.mark.parametrize(
    ("was", "now", "what"),
    [
        (TEN, FIVE, "every 10 minutes \u2192 every 5 minutes; +144 runs a day"),
        (FIVE, TEN, "every 5 minutes \u2192 every 10 minutes; \u2212144 runs a day"),
        ({}, {"cron": "", "after": ["b"]}, "at 08:00 \u2192 after b"),
        ({"after": ["b"]}, {"after": ["b", "c"]}, "at 08:00, and after b \u2192 at 08:00, and after b and c"),
        ({"after": None, "tags": ["a"]}, {"after": [], "tags": []}, "tags changed"),
        ({}, {"timeout_seconds": 3600}, "limit 5 min \u2192 60 min"),
        ({"enabled": True}, {"enabled": False}, "switched off in git"),
        ({"overlap": "skip"}, {"overlap": "queue"}, "overlap skip \u2192 queue"),
        ({"tags": ["a"]}, {"tags": ["b"]}, "tags changed"),
        ({"description": "a"}, {"description": "b"}, "description changed"),
        ({"project": None}, {"project": "x"}, "project none \u2192 x"),
    ],
)
def test_a_changed_job_says_what_changed(was: Any, now: Any, what: str) -> None:
    assert said([job("a", **was)], [job("a", **now)]) == [("~", "a", what)]


def test_jobs_that_came_left_and_were_renamed_are_told() -> None:
    before = [job("old"), job("gone"), job("same")]
    after = [job("new", renamed_from="old"), job("same", place="manifest.py:9"), job("here")]
    assert said(before, after) == [
        ("+", "here", "at 08:00"),
        ("~", "new", "renamed from old, whose history it carries on"),
        ("\u2212", "gone", "removed; its runs stay"),
    ]


def test_a_rejected_job_is_told_once_and_is_not_called_removed() -> None:
    refusal = {"job_id": "a", "place": "manifest.py:3", "reason": "hour 25"}
    first = list(compare(([job("a")], ()), ([], [refusal])))
    assert [(one.mark, one.job_id, one.what) for one in first] == [("!", "a", "rejected: hour 25")]
    assert list(compare(([], [refusal]), ([], [refusal]))) == []
