"""The error that a channel raises when an alert was not accepted."""

from __future__ import annotations


class RefusedError(Exception):
    """A receiver did not accept an alert. `channel` is true when it would accept no other alert either."""

    def __init__(self, reason: str, *, channel: bool) -> None:
        self.channel = channel
        super().__init__(reason)
