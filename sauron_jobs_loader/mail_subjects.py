"""How the subjects of mails begin, of jobs and of Sauron alike.

Filters of mailboxes sort by these beginnings, so they stay as they are: `LEVEL (SOURCE): subject` and
`SOURCE DIGEST: subject`.
"""

WARNING = "WARNING"


def alert_subject(subject: str, *, level: str | None = WARNING, source: str) -> str:
    """Return the subject of an alert; without a level it is a warning."""
    return f"{(level or WARNING).upper()} ({source.upper()}): {subject}"


def digest_subject(subject: str, *, source: str) -> str:
    """Return the subject of a digest."""
    return f"{source.upper()} DIGEST: {subject}"
