"""Delivery: waiting alerts go out through their channels, and wait again when that fails.

A delivered alert is not sent again once that is recorded; an undelivered alert is retried indefinitely, at
most every 30 minutes. A channel that cannot be reached delays its own alerts and nothing else; an alert that
is refused for itself delays no other. Of two processes that deliver at once each alert is sent by one.

After a crash between sending and noting it, an alert is sent once more, under the same webhook-id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.model.backoff import Backoff, stable_fraction
from chalicelib.model.runs import new_run_id
from chalicelib.settings import Settings
from chalicelib.store import Store
from chalicelib.store import alerts as owed
from chalicelib.store.alerts import Alert

from . import mail, webhook
from .mail import Mailer
from .messages import MAIL, WEBHOOK, channels, test_facts
from .refusal import RefusedError

log = logs.get(__name__)

CLAIMED = timedelta(minutes=2)  # no other sender tries an alert meanwhile
DELAYS = Backoff(tuple(timedelta(minutes=minutes) for minutes in (1 / 6, 1, 5, 15, 30)))
SEVERAL = 5  # more mails than these at once are one
MOST_IN_MAIL = 500
ALL_CHANNELS = (MAIL, WEBHOOK)
ERROR_CHARS = 500


@dataclass(frozen=True, slots=True)
class Delivered:
    """The counts of one pass, its last error, and the seconds until the next try."""

    sent: int
    waiting: int
    error: str | None = None
    next_try_in: float = float("inf")


@dataclass(slots=True)
class ChannelBackoff:
    """Consecutive failures of a channel, and when (on the monotonic clock) to try it again."""

    faults: int = 0
    until: float = 0.0


class Delivery:
    """Sends the alerts of one store. One thread per channel may deliver, also beside other processes."""

    def __init__(
        self, store: Store, clock: Clock, settings: Settings, *, mailer: Callable[[], Mailer]
    ) -> None:
        """Send as the settings say; `mailer` opens the way to SES when there is mail."""
        self._store = store
        self._clock = clock
        self._settings = settings
        self._mailer = mailer
        self._rests = {channel: ChannelBackoff() for channel in ALL_CHANNELS}

    def deliver(self, channel: str, *, most_seconds: float | None = None) -> Delivered:
        """Send what is due through one channel, for about `most_seconds` at most.

        A failure outside is recorded, never raised.
        """
        stop = None if most_seconds is None else self._clock.monotonic() + most_seconds
        with ExitStack() as opened:
            sent, error = {MAIL: self._mails, WEBHOOK: self._posts}[channel](opened, stop)
        with self._store.read() as tx:
            waiting, at = owed.waiting(tx, channel), owed.next_try(tx, channel)
        if sent:
            log.info("alerts.delivered", channel=channel, sent=sent, waiting=waiting)
        if error:
            log.warning("alerts.channel_unreachable", channel=channel, waiting=waiting, reason=error)
        return Delivered(sent, waiting, error, self._next(channel, at))

    def _next(self, channel: str, at: datetime | None) -> float:
        """Return in how many seconds the next alert is due and its channel may be tried."""
        if at is None:
            return float("inf")
        due = (at - self._clock.now()).total_seconds()
        return max(0.0, due, self._rests[channel].until - self._clock.monotonic())

    def test(self) -> list[dict[str, Any]]:
        """Send a test alert through each configured channel at once; return how each went."""
        now = self._clock.now()
        said = []
        for channel in channels(self._settings):
            alert = Alert(new_run_id(), channel, "test", test_facts(self._settings, now), now)
            try:
                if channel == MAIL:
                    message = mail.send(mail.open_mailer(self._mailer), [alert], self._settings)
                    detail = f"sent to {self._settings.alert_email} as {message}"
                else:
                    with webhook.open_client(self._settings) as client:
                        detail = webhook.post(client, alert, self._settings, now=self._clock.now())
                said.append({"channel": channel, "ok": True, "detail": detail})
            except RefusedError as error:
                said.append({"channel": channel, "ok": False, "detail": str(error)})
        return said

    def _posts(self, opened: ExitStack, stop: float | None) -> tuple[int, str | None]:
        """Post what is due, one by one, until the receiver cannot be reached."""
        client, count, said = None, 0, None
        while self._in_time(stop) and (found := self._claim(WEBHOOK, 1)):
            try:
                client = client or opened.enter_context(webhook.open_client(self._settings))
                webhook.post(client, found[0], self._settings, now=self._clock.now())
            except RefusedError as error:
                said = self._failed(found, error)
                if error.channel:
                    break
            else:
                count += self._sent(found)
        return count, said

    def _mails(self, _opened: ExitStack, stop: float | None) -> tuple[int, str | None]:
        """Mail what is due: each alert by itself while they are few, else together."""
        count, said = 0, None
        while self._in_time(stop) and (found := self._claim(MAIL, MOST_IN_MAIL)):
            sent, error = self._send(found)
            count, said = count + sent, error or said
            if error:
                break
        return count, said

    def _send(self, found: list[Alert]) -> tuple[int, str | None]:
        """Send these as few mails; return how many alerts went out.

        Also return why SES cannot be reached, if it cannot.

        A mail about several that is refused is halved until the alert at fault stands alone. Two refused
        alone in a row mean that it is not they that are refused.
        """
        groups = [found] if len(found) > SEVERAL else [[alert] for alert in reversed(found)]
        mailer, count, alone = None, 0, 0
        while groups:
            some = groups.pop()
            self._hold([alert for group in (some, *groups) for alert in group])
            try:
                mailer = mailer or mail.open_mailer(self._mailer)
                mail.send(mailer, some, self._settings)
            except RefusedError as error:
                if not error.channel and len(some) > 1:
                    half = len(some) // 2
                    groups += [some[half:], some[:half]]
                    continue
                alone += 1
                if error.channel or alone > 1:
                    left = [alert for group in (some, *groups) for alert in group]
                    return count, self._failed(left, RefusedError(str(error), channel=True))
                self._failed(some, error)
            else:
                alone = 0
                count += self._sent(some)
        return count, None

    def _in_time(self, stop: float | None) -> bool:
        return stop is None or self._clock.monotonic() < stop

    def _claim(self, channel: str, most: int) -> list[Alert]:
        """Take what is due, unless the channel rests."""
        now = self._clock.now()
        if self._clock.monotonic() < self._rests[channel].until:
            return []
        with self._store.read() as tx:
            at = owed.next_try(tx, channel)
        if at is None or at > now:
            return []
        with self._store.write() as tx:
            return owed.claim(tx, channel, now=now, until=now + CLAIMED, most=most)

    def _hold(self, some: Sequence[Alert]) -> None:
        with self._store.write() as tx:
            owed.hold(tx, [alert.id for alert in some], until=self._clock.now() + CLAIMED)

    def _sent(self, some: Sequence[Alert]) -> int:
        self._rests[some[0].channel] = ChannelBackoff()
        with self._store.write() as tx:
            owed.sent(tx, [alert.id for alert in some], now=self._clock.now())
        return len(some)

    def _failed(self, some: Sequence[Alert], error: RefusedError) -> str:
        """Record why these were not accepted and when they, or their channel, are tried again.

        Return the reason.

        What is due stays due while its channel rests: so alerts go out in the order in which they were
        written.
        """
        channel, now = some[0].channel, self._clock.now()
        reason = self._settings.masked(str(error))[:ERROR_CHARS]
        with self._store.write() as tx:
            if error.channel:
                rest = self._rests[channel]
                pause = delay(rest.faults, some[0].id)
                self._rests[channel] = ChannelBackoff(
                    rest.faults + 1, self._clock.monotonic() + pause.total_seconds()
                )
                owed.put_back(tx, [alert.id for alert in some], reason, now=now)
            else:
                until = now + delay(max(alert.tries for alert in some), some[0].id)
                owed.failed(tx, [alert.id for alert in some], reason, try_at=until)
        return reason


def delay(tries: int, alert_id: str) -> timedelta:
    """Return how long an alert waits after `tries` failures, plus up to 10 % by a stable hash of its id."""
    return DELAYS.delay(tries + 1, stable_fraction(f"{alert_id}/{tries}"))
