"""Delivery: waiting alerts go out through their channels, and wait again when that fails.

A delivered alert is not sent again once that is recorded; an undelivered alert is retried indefinitely, at
most every 30 minutes, or when the receiver says (Retry-After). A channel that cannot be reached delays its
own alerts and nothing else; an alert that is refused for itself delays only later ones about its subject, so
that the last thing told is the last thing true. Of two processes that deliver at once each alert is sent by
one. Many alerts are one mail or chat message, and one POST to a receiver that said there are too many
requests.

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

from . import chat, mail, webhook
from .mail import Mailer
from .messages import MAIL, WEBHOOK, channels, test_facts
from .refusal import RefusedError

log = logs.get(__name__)

CLAIMED = timedelta(minutes=2)  # no other sender tries an alert meanwhile
DELAYS = Backoff(tuple(timedelta(minutes=minutes) for minutes in (1 / 6, 1, 5, 15, 30)))
SEVERAL = 5  # more than these at once are one message
PATIENCE = 5  # an alert that was refused so often for itself is dropped if the next about its subject is not
MOST_AT_ONCE = {MAIL: 500, WEBHOOK: 50}
MOST_IN_CHAT = 15  # the titles of more do not fit into a message
ERROR_CHARS = 500
Send = Callable[[list[Alert]], str]  # says how the receiver answered; raises RefusedError


@dataclass(frozen=True, slots=True)
class Delivered:
    """The counts of one pass, its last error, and the seconds until the next try."""

    sent: int
    waiting: int
    error: str | None = None
    next_try_in: float = float("inf")


@dataclass(slots=True)
class ChannelBackoff:
    """Consecutive failures of a channel, and when (on the monotonic clock) to try it again.

    `together`: the receiver wants fewer requests, so what waits is sent together until nothing waits.
    """

    faults: int = 0
    until: float = 0.0
    together: bool = False


class Delivery:
    """Sends the alerts of one store. One thread per channel may deliver, also beside other processes."""

    def __init__(
        self, store: Store, clock: Clock, settings: Settings, *, mailer: Callable[[], Mailer]
    ) -> None:
        """Send as the settings say; `mailer` opens the way to SES or a mail server when there is mail."""
        self._store = store
        self._clock = clock
        self._settings = settings
        self._mailer = mailer
        self._rests = {channel: ChannelBackoff() for channel in (MAIL, WEBHOOK, *channels(settings))}

    def deliver(self, channel: str, *, most_seconds: float | None = None) -> Delivered:
        """Send what is due through one channel, for about `most_seconds` at most.

        A failure outside is recorded, never raised.
        """
        stop = None if most_seconds is None else self._clock.monotonic() + most_seconds
        with ExitStack() as opened:
            sent, error = self._empty(channel, self._way(channel, opened), stop)
        with self._store.read() as tx:
            waiting, at = owed.waiting(tx, channel), owed.next_try(tx, channel, now=self._clock.now())
        if not waiting:
            self._rests[channel].together = False
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
                with ExitStack() as opened:
                    detail = self._way(channel, opened)([alert])
                said.append({"channel": channel, "ok": True, "detail": detail})
            except RefusedError as error:
                said.append({"channel": channel, "ok": False, "detail": str(error)})
        return said

    def _way(self, channel: str, opened: ExitStack) -> Send:
        """Return what sends alerts through a channel. It opens what it needs when it is first called."""
        settings = self._settings
        kept: list[Any] = []

        def once(make: Callable[[], Any]) -> Any:
            if not kept:
                kept.append(make())
            return kept[0]

        if channel == MAIL:
            return lambda some: mail.send(once(lambda: mail.open_mailer(self._mailer)), some, settings)
        if channel == WEBHOOK:
            client = lambda: opened.enter_context(webhook.open_client(settings))  # noqa: E731
            return lambda some: webhook.post(once(client), some, settings, now=self._clock.now())
        return lambda some: chat.send(once(lambda: chat.open_service(channel, settings)), some, settings)

    def _empty(self, channel: str, send: Send, stop: float | None) -> tuple[int, str | None]:
        """Send what is due, until nothing is or the channel rests.

        Return how many alerts went out, and the last error.
        """
        count, said = 0, None
        while self._in_time(stop) and (found := self._claim(channel)):
            sent, error = self._send(found, send)
            count, said = count + sent, error or said
            if self._clock.monotonic() < self._rests[channel].until:
                break
        return count, said

    def _send(self, found: list[Alert], send: Send) -> tuple[int, str | None]:
        """Send these one by one while they are few, else together; return how many went out, and an error.

        A message about several that is refused is halved until the alert at fault stands alone. Two of
        several that are refused alone in a row mean that it is not they that are refused.
        """
        groups = [found] if len(found) > SEVERAL else [[alert] for alert in reversed(found)]
        count, alone, said = 0, 0, None
        instead_of: dict[str, Alert] = {}
        while groups:
            some = groups.pop()
            if len(found) > 1:  # earlier ones took time
                self._hold([alert for group in (some, *groups) for alert in group])
            try:
                send(some)
            except RefusedError as error:
                if not error.channel and len(some) > 1:
                    half = len(some) // 2
                    groups += [some[half:], some[:half]]
                    continue
                alone += some[0].id not in instead_of
                if error.channel or (alone > 1 and len(found) > 1):
                    left = [alert for group in (some, *groups) for alert in group]
                    return count, self._failed(left, error.of_channel())
                said = self._failed(some, error)
                groups = self._without_later(groups, some[0], said)
                if some[0].tries + 1 >= PATIENCE and (following := self._claim_next(some[0])):
                    instead_of[following.id] = some[0]
                    groups.append([following])
            else:
                alone = 0
                count += self._sent(some, instead_of.get(some[0].id))
        return count, said

    def _without_later(self, groups: list[list[Alert]], refused: Alert, reason: str) -> list[list[Alert]]:
        """Put back what is about the subject of a refused alert; return the rest."""
        later = [
            alert
            for group in groups
            for alert in group
            if alert.about is not None and alert.about == refused.about
        ]
        if not later:
            return groups
        with self._store.write() as tx:
            owed.put_back(tx, [alert.id for alert in later], reason, now=self._clock.now())
        left = [[alert for alert in group if alert not in later] for group in groups]
        return [group for group in left if group]

    def _in_time(self, stop: float | None) -> bool:
        return stop is None or self._clock.monotonic() < stop

    def _claim(self, channel: str) -> list[Alert]:
        """Take what is due, unless the channel rests."""
        together = channel != WEBHOOK or self._rests[channel].together
        now = self._clock.now()
        if self._clock.monotonic() < self._rests[channel].until:
            return []
        with self._store.read() as tx:
            at = owed.next_try(tx, channel, now=now)
        if at is None or at > now:
            return []
        with self._store.write() as tx:
            most = MOST_AT_ONCE.get(channel, MOST_IN_CHAT) if together else 1
            return owed.claim(tx, channel, now=now, until=now + CLAIMED, most=most)

    def _hold(self, some: Sequence[Alert]) -> None:
        with self._store.write() as tx:
            owed.hold(tx, [alert.id for alert in some], until=self._clock.now() + CLAIMED)

    def _claim_next(self, refused: Alert) -> Alert | None:
        with self._store.write() as tx:
            return owed.claim_next(tx, refused, until=self._clock.now() + CLAIMED)

    def _sent(self, some: Sequence[Alert], instead_of: Alert | None = None) -> int:
        channel = some[0].channel
        self._rests[channel] = ChannelBackoff(together=self._rests[channel].together)
        with self._store.write() as tx:
            owed.sent(tx, [alert.id for alert in some], now=self._clock.now())
            if instead_of is not None:
                owed.drop(tx, instead_of)
                log.warning(
                    "alert.dropped", channel=channel, subject=instead_of.about, tries=instead_of.tries
                )
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
                pause = error.retry_after or delay(rest.faults, some[0].id)
                self._rests[channel] = ChannelBackoff(
                    rest.faults + 1,
                    self._clock.monotonic() + pause.total_seconds(),
                    together=rest.together or error.too_many,
                )
                owed.put_back(tx, [alert.id for alert in some], reason, now=now)
                if error.retry_after is not None:
                    owed.postpone(tx, channel, until=now + pause)
            else:
                until = now + (error.retry_after or delay(max(alert.tries for alert in some), some[0].id))
                owed.failed(tx, [alert.id for alert in some], reason, try_at=until)
        return reason


def delay(tries: int, alert_id: str) -> timedelta:
    """Return how long an alert waits after `tries` failures, plus up to 10 % by a stable hash of its id."""
    return DELAYS.delay(tries + 1, stable_fraction(f"{alert_id}/{tries}"))
