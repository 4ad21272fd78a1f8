"""The daily digest: runs and failures since the last digest, present problems, and what is due next."""

import html
from typing import Any

from sauron_jobs_loader.context import JobContext
from sauron_jobs_loader.toolkit.email import send_digest_email

from .asking import ask

ORDER = ("succeeded", "degraded", "failed", "timed_out", "cancelled", "skipped", "missed")


def run(ctx: JobContext) -> dict[str, Any]:
    """Send the digest since the last one (the first time: of a day). If it cannot be sent, the run fails."""
    found: dict[str, Any] = ask(ctx, "digest", ctx.state.get("until"))
    subject = f"{found['scheduler']}: {headline(found)}"
    sections = written(found)
    message_id = send_digest_email(
        headline(found), as_text(subject, sections), as_html(subject, sections), source=found["scheduler"]
    )
    if message_id is None:
        return {
            "status": "failed",
            "error": "the digest was not sent; the reason is in the log",
            "error_type": "MailError",
        }
    ctx.state["until"] = found["until"]
    return {"status": "ok", "summary": headline(found), "message_id": message_id}


def headline(found: dict[str, Any]) -> str:
    """Return the digest in one line."""
    totals = found["totals"]
    runs = sum(totals.get(state, 0) for state in ORDER[:5])
    bad = counted(totals, ORDER[1:])
    wrong = [f"{len(found['incidents'])} wrong now"] if found["incidents"] else []
    return ", ".join(
        ["1 run" if runs == 1 else f"{runs} runs", *(bad or ([] if wrong else ["all well"])), *wrong]
    )


def counted(states: dict[str, int], order: tuple[str, ...]) -> list[str]:
    """Return how many runs ended in each of these states, without states that have no run."""
    return [f"{states[state]} {state.replace('_', ' ')}" for state in order if states.get(state)]


def written(found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the sections of the digest that have lines."""
    jobs = [f"{job['job_id']}: {', '.join(counted(job['states'], ORDER))}" for job in found["jobs"]]
    failures = [
        f"{one['at']}  {one['job_id']}  {one['state']}: {one['error']}  {one['link']}"
        for one in found["failures"]
    ]
    late = [f"{one['due']}  {one['job_id']} started {one['late_seconds']} s late" for one in found["late"]]
    incidents = [f"since {one['since']}  {one['subject']}: {one['reason']}" for one in found["incidents"]]
    due = [f"{one['at']}  {one['job_id']}" for one in found["due"]]
    sections = [
        ("Wrong now", incidents),
        ("Failed", failures),
        ("Late", late),
        (f"Ran between {found['since']} and {found['now']}", jobs),
        ("Due in the next 24 hours", due),
    ]
    return [(title, lines) for title, lines in sections if lines]


def as_text(subject: str, sections: list[tuple[str, list[str]]]) -> str:
    """Return the digest as plain text."""
    parts = [subject, *(f"{title}\n" + "\n".join(f"  {line}" for line in lines) for title, lines in sections)]
    return "\n\n".join(parts) + "\n"


def as_html(subject: str, sections: list[tuple[str, list[str]]]) -> str:
    """Return the digest as HTML."""
    body = "".join(
        f"<h2>{html.escape(title)}</h2><ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"
        for title, lines in sections
    )
    return f"<!doctype html><html><body><h1>{html.escape(subject)}</h1>{body}</body></html>"
