"""What people read in Life Hub is free of what drives a terminal."""

from __future__ import annotations

from typing import Any

from chalicelib.lifehub import rows

FACTS: dict[str, Any] = {
    **dict.fromkeys(["exit_code", "error_type", "project", "entrypoint", "revision", "loaded_at", "source"]),
    "started_at": "2026-03-02T12:00:00Z",
    "ended_at": "2026-03-02T12:00:01Z",
    "job_id": "j",
    "run_id": "r",
    "attempt": 1,
    "origin": "schedule",
    "outcome": "failed",
    "tags": [],
    "error": None,
    "summary": None,
    "stdout_tail": None,
}


def test_texts_are_shown_as_a_terminal_shows_them() -> None:
    raw = {
        "error": "no \x1b[31mroute\x1b[0m",
        "summary": "3\x07 files\u202e",
        "stdout_tail": "10 %\r20 %\nend\n",
    }
    row = rows.of_attempt(FACTS | raw, scheduler="sauron", host="here")
    assert (row["error_message"], row["summary"], row["stdout_tail"]) == (
        "no route",
        "3 files",
        "20 %\nend\n",
    )


def test_what_was_not_said_stays_so() -> None:
    row = rows.of_attempt(FACTS, scheduler="sauron", host="here")
    assert (row["error_message"], row["summary"], row["stdout_tail"]) == (None, None, None)
