from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.alerting.check_result import EVENTS, Kind
from chalicelib.alerting.messages import (
    as_mail,
    as_webhook,
    as_webhook_of_several,
    channels,
    compose,
    title,
    type_of,
)
from chalicelib.alerting.messages import test_facts as facts_of_a_test
from chalicelib.settings import Settings
from chalicelib.store.alerts import Alert
from chalicelib.store.incidents import Incident
from tests.conftest import START

pytestmark = pytest.mark.every_store

MAIL = {
    "ALERT_EMAIL": "a@x",
    "FROM_EMAIL": "b@x",
    "AWS_SES_ACCESS_KEY_ID": "k" * 16,
    "AWS_SES_SECRET_ACCESS_KEY": "s" * 16,
}
BACKUP = Incident(1, "backup", "failing", "backup", "r1", "boom", START, START, None)


def facts(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "reason": "no route",
        "run_id": "r1",
        "log_tail": "the end",
        "facts": {"state": "failed"},
    }
    return compose(Settings.read({}), BACKUP, **(given | more))


def alert(number: int = 0, **more: Any) -> Alert:
    return Alert(f"id-{number}", "mail", "job.failing", facts(**more), START)


@pytest.mark.parametrize("missing", ["ALERT_EMAIL", "FROM_EMAIL"])
def test_a_channel_is_used_only_when_all_it_needs_is_set(missing: str) -> None:
    assert channels(Settings.read(MAIL)) == ("mail",)
    assert channels(Settings.read({name: value for name, value in MAIL.items() if name != missing})) == ()
    assert channels(Settings.read({**MAIL, "SAURON_ALERT_WEBHOOK_URL": "https://x.test/"})) == (
        "mail",
        "webhook",
    )


@pytest.mark.parametrize(
    ("environ", "link"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"API_HOST": "0.0.0.0", "API_PORT": "9"}, "http://localhost:9"),  # noqa: S104 - text
        ({"API_HOST": "fd00::1"}, "http://[fd00::1]:8080"),
        ({"SAURON_PUBLIC_URL": "https://ops.test/sauron/"}, "https://ops.test/sauron"),
    ],
)
def test_a_link_leads_to_where_people_reach_sauron(environ: dict[str, str], link: str) -> None:
    assert Settings.read(environ).base_link == link


def test_every_alert_has_the_same_facts() -> None:
    said = facts(down=timedelta(minutes=90))
    assert set(said) == {
        *(
            "job_id",
            "run_id",
            "subject",
            "kind",
            "title",
            "reason",
            "since",
            "down_seconds",
            "link",
            "log_tail",
            "scheduler",
        ),
        *("reminder", "failures_in_row", "state"),
    }
    assert (said["title"], said["down_seconds"], said["since"]) == (
        "backup recovered",
        5400,
        "2026-03-02T12:00:30Z",
    )


def test_every_kind_has_a_type_and_a_title_for_each_change() -> None:
    types = {type_of(kind, over=over) for kind in Kind for over in (False, True)}
    assert types == {
        *(
            "job.failing",
            "job.late",
            "job.missed",
            "job.rejected",
            "job.slow",
            "job.recovered",
            "sync.failing",
            "sync.recovered",
        ),
        *(
            "manifest.rejected",
            "manifest.recovered",
            "outbox.stuck",
            "outbox.recovered",
            "disk.low",
            "disk.recovered",
            "clock.set_back",
            "clock.recovered",
        ),
    }
    for kind in Kind:
        incident = Incident(1, "x", kind, None, None, "", START, START, None)
        said = {
            title(incident, {}, over=over, reminder=again)
            for over, again in ((False, False), (False, True), (True, False))
        }
        assert len(said) == (2 if kind in EVENTS else 3)


def test_a_mail_about_one_alert_says_why_how_long_where_and_shows_the_log() -> None:
    mail = as_mail([alert(down=timedelta(hours=2))], scheduler="prod")
    assert mail.subject == "INFO (PROD): backup recovered"
    for words in ("no route", "down for: 2 h", "the end", "http://127.0.0.1:8080/ui/runs/r1"):
        assert words in mail.text
        assert words in mail.html


def test_a_mail_about_many_lists_them_first_and_cuts_their_logs() -> None:
    mail = as_mail([alert(number, log_tail="y" * 2000) for number in range(12)], scheduler="sauron")
    assert mail.subject == "WARNING (SAURON): 12 alerts: backup is failing"
    assert mail.text.startswith("- backup is failing\n")
    assert mail.text.count("y") < 12 * 500


def test_a_mail_warns_unless_all_it_tells_is_over() -> None:
    wrong, over = alert(1), alert(2, down=timedelta(hours=1))
    assert as_mail([over, over], scheduler="sauron").subject.startswith("INFO (SAURON): 2 alerts: ")
    assert as_mail([over, wrong], scheduler="sauron").subject.startswith("WARNING (SAURON): 2 alerts: ")
    test = Alert("1", "mail", "test", facts_of_a_test(Settings.read({}), START), START)
    assert as_mail([test], scheduler="sauron").subject == "INFO (SAURON): This is a test"


def test_html_shows_what_a_job_wrote_and_obeys_none_of_it() -> None:
    mail = as_mail([alert(reason="<script>x</script>", log_tail="\x1b[31m<img src=x>")], scheduler="sauron")
    assert "<script>" not in mail.html
    assert "<img" not in mail.html
    assert "&lt;img src=x&gt;" in mail.html
    assert "\x1b" not in mail.html + mail.text


def test_a_subject_is_one_line_of_bearable_length() -> None:
    long = Alert("1", "mail", "job.failing", {"title": "a\r\nBcc: all@x.test" + "b" * 500}, START)
    subject = as_mail([long], scheduler="sauron").subject
    assert subject.startswith("WARNING (SAURON): a Bcc: all@x.test")
    assert len(subject) <= 150
    assert subject == " ".join(subject.split())


def test_a_webhook_is_type_timestamp_and_facts() -> None:
    said = json.loads(as_webhook(alert()))
    assert said == {"type": "job.failing", "timestamp": "2026-03-02T12:00:30Z", "data": facts()}


def test_what_no_store_could_hold_is_replaced() -> None:
    said = facts(reason="\ud800 and \x00", facts={"error": "\x00"})
    assert (said["reason"], said["error"]) == ("? and \ufffd", "\ufffd")


RAW = "database \x1b[31munreachable\x1b[0m\r\x1b[2Kretrying\x07 \u202e\x1b]0;title\x1b\\now"
READ = "database unreachable\nretrying now"


def test_every_text_of_an_alert_is_free_of_what_a_terminal_obeys() -> None:
    said = facts(reason=RAW, log_tail=RAW, facts={"error": RAW, "state": "failed", "deep": [{"a": RAW}]})
    assert (said["reason"], said["log_tail"], said["error"]) == (READ, READ, READ)
    assert said["deep"] == [{"a": READ}]


def test_a_message_written_earlier_is_clean_in_every_form_of_it() -> None:
    given = {"title": RAW, "reason": RAW, "error": RAW, "log_tail": RAW, "job_id": RAW}
    waiting = [Alert(str(number), "webhook", "job.failing", given, START) for number in range(3)]
    one, several = as_webhook(waiting[0]), as_webhook_of_several(waiting, Settings.read({}))
    mail = as_mail(waiting, scheduler="sauron")
    for text in (*json_texts(one), *json_texts(several), mail.subject, mail.text, mail.html):
        assert not set(text) & set("\x1b\r\x07\u202e"), text
    assert json.loads(one)["data"]["reason"] == READ


def json_texts(body: bytes) -> list[str]:
    def texts(value: Any) -> list[str]:
        if isinstance(value, dict | list):
            return [
                text
                for item in (value.values() if isinstance(value, dict) else value)
                for text in texts(item)
            ]
        return [value] if isinstance(value, str) else []

    return texts(json.loads(body))


def test_a_secret_that_a_sequence_breaks_up_is_masked() -> None:
    settings = Settings.read({"GITHUB_TOKEN": "ghp_verysecret"})
    said = compose(settings, BACKUP, reason="ghp_very\x1b[1msecret", run_id=None, log_tail="", facts={})
    assert "secret" not in said["reason"]
