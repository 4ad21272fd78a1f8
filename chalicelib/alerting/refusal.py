"""The error that a channel raises when an alert was not accepted."""

from __future__ import annotations

from datetime import timedelta

TOO_MANY_REQUESTS = 429
OVERLOADED = frozenset({408, TOO_MANY_REQUESTS, 502, 503, 504})
"""Statuses of HTTP that say that the receiver is at fault, not the alert."""


class RefusedError(Exception):
    """A receiver did not accept an alert. `channel` is true when it would accept no other alert either.

    `retry_after` is how long the receiver asks to be left alone; `too_many` says that it wants fewer
    requests.
    """

    def __init__(
        self, reason: str, *, channel: bool, retry_after: timedelta | None = None, too_many: bool = False
    ) -> None:
        self.channel = channel
        self.retry_after = retry_after
        self.too_many = too_many
        super().__init__(reason)

    def of_channel(self) -> RefusedError:
        """Return the same refusal as one of every alert."""
        return RefusedError(str(self), channel=True, retry_after=self.retry_after, too_many=self.too_many)
