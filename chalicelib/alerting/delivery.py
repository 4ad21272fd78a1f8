"""Delivery: waiting alerts go out through their channels, and wait again when that fails.

An alert that was delivered is never sent again by anybody who sees that it was; one that was not is tried for
ever, ever more seldom. A channel that cannot be reached delays its own alerts and nothing else; an alert that
is refused for itself delays no other. Of two processes that deliver at once each alert is sent by one.

After a crash between sending and noting it, an alert is sent once more, under the same webhook-id.

The webhook is signed as Standard Webhooks (https://www.standardwebhooks.com) says.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from chalicelib import __version__, logs
from chalicelib.clock import Clock
from chalicelib.model.backoff import Backoff, stable_fraction
from chalicelib.model.runs import new_run_id
from chalicelib.settings import Settings
from chalicelib.store import Store
from chalicelib.store import alerts as owed
from chalicelib.store.alerts import Alert
from chalicelib.text import unreachable

from .messages import MAIL, WEBHOOK, as_mail, as_webhook, channels, test_facts

if TYPE_CHECKING:
    import httpx

log = logs.get(__name__)

SECONDS = 10.0  # a webhook has for each step of an answer
CLAIMED = timedelta(minutes=2)  # nobody else tries an alert meanwhile
DELAYS = Backoff(tuple(timedelta(minutes=minutes) for minutes in (1 / 6, 1, 5, 15, 30)))
SEVERAL = 5  # more mails than these at once are one
MOST_IN_MAIL = 500
ALL_CHANNELS = (MAIL, WEBHOOK)
OVERLOADED = frozenset({408, 429, 502, 503, 504})  # says something about the receiver, not about the alert
ERROR_CHARS = 500
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"})


class Mailer(Protocol):
    """Sends mail. A refusal that will not go away by itself raises an error whose `temporary` is false."""

    def send(
        self,
        recipients: Sequence[str],
        subject: str,
        text: str,
        html: str | None = None,
        *,
        reply_to: Sequence[str] = (),
    ) -> str:
        """Send one mail and return its Message-ID."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one pass did: how many alerts were sent, how many wait, the last error, and the seconds until the next try."""

    sent: int
    waiting: int
    error: str | None = None
    next_try_in: float = float("inf")


class _RefusedError(Exception):
    """An alert was not taken; `channel` says that no other would be either."""

    def __init__(self, reason: str, *, channel: bool) -> None:
        self.channel = channel
        super().__init__(reason)


@dataclass(slots=True)
class _Rest:
    """A channel that could not be reached: how often in a row, and until when (monotonic) it is left alone."""

    faults: int = 0
    until: float = 0.0


class Delivery:
    """Sends the alerts of one store. One thread per channel may deliver; safe beside other processes that do so."""

    def __init__(
        self, store: Store, clock: Clock, settings: Settings, *, mailer: Callable[[], Mailer]
    ) -> None:
        """Send as the settings say; `mailer` opens the way to SES when there is mail."""
        self._store = store
        self._clock = clock
        self._settings = settings
        self._mailer = mailer
        self._rests = {channel: _Rest() for channel in ALL_CHANNELS}

    def deliver(self, channel: str, *, most_seconds: float | None = None) -> Delivered:
        """Send what is due through one channel, for at most about so long. Never raises for what the outside does."""
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
        """Return in how many seconds the next alert is to be tried: when it is due, and its channel does not rest."""
        if at is None:
            return float("inf")
        due = (at - self._clock.now()).total_seconds()
        return max(0.0, due, self._rests[channel].until - self._clock.monotonic())

    def test(self) -> list[dict[str, Any]]:
        """Send a test alert through each configured channel at once; return for each whether it was taken, and what was said."""
        now = self._clock.now()
        said = []
        for channel in channels(self._settings):
            alert = Alert(new_run_id(), channel, "test", test_facts(self._settings, now), now)
            try:
                if channel == MAIL:
                    detail = (
                        f"sent to {self._settings.alert_email} as {self._mail(self._open_mailer(), [alert])}"
                    )
                else:
                    with self._client() as client:
                        detail = self._post(client, alert)
                said.append({"channel": channel, "ok": True, "detail": detail})
            except _RefusedError as error:
                said.append({"channel": channel, "ok": False, "detail": str(error)})
        return said

    # -- webhook ------------------------------------------------------------------------------------------------------

    def _posts(self, opened: ExitStack, stop: float | None) -> tuple[int, str | None]:
        """Post what is due, one by one, until the receiver cannot be reached."""
        client, count, said = None, 0, None
        while self._in_time(stop) and (found := self._claim(WEBHOOK, 1)):
            try:
                client = client or opened.enter_context(self._client())
                self._post(client, found[0])
            except _RefusedError as error:
                said = self._failed(found, error)
                if error.channel:
                    break
            else:
                count += self._sent(found)
        return count, said

    def _client(self) -> httpx.Client:
        import httpx

        proxied = any(name.lower() in _PROXIES for name in self._settings.environ)
        try:
            return httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=proxied)
        except Exception as error:  # a proxy or a certificate file that its library cannot use
            raise _RefusedError(f"the way out cannot be used ({error})", channel=True) from error

    def _post(self, client: httpx.Client, alert: Alert) -> str:

        body = as_webhook(alert)
        url = str(self._settings.alert_webhook_url)
        headers = signed(
            alert.id, int(self._clock.now().timestamp()), body, self._settings.alert_webhook_secret
        )
        host = urlsplit(url).hostname
        try:
            with client.stream("POST", url, content=body, headers=headers) as answer:
                status, fine = answer.status_code, answer.is_success
        except Exception as error:  # whatever the network and an address throw
            raise _RefusedError(f"{host}: {unreachable(error, SECONDS)}", channel=True) from error
        if not fine:
            raise _RefusedError(f"{host} answered {status}", channel=status in OVERLOADED)
        return f"{host} answered {status}"

    # -- mail ---------------------------------------------------------------------------------------------------------

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
        """Send these as few mails; return how many alerts went out, and why SES cannot be reached if it cannot.

        A mail about several that is refused is halved until the alert at fault stands alone. Two refused
        alone in a row mean that it is not they that are refused.
        """
        groups = [found] if len(found) > SEVERAL else [[alert] for alert in reversed(found)]
        mailer, count, alone = None, 0, 0
        while groups:
            some = groups.pop()
            self._hold([alert for group in (some, *groups) for alert in group])
            try:
                mailer = mailer or self._open_mailer()
                self._mail(mailer, some)
            except _RefusedError as error:
                if not error.channel and len(some) > 1:
                    half = len(some) // 2
                    groups += [some[half:], some[:half]]
                    continue
                alone += 1
                if error.channel or alone > 1:
                    left = [alert for group in (some, *groups) for alert in group]
                    return count, self._failed(left, _RefusedError(str(error), channel=True))
                self._failed(some, error)
            else:
                alone = 0
                count += self._sent(some)
        return count, None

    def _mail(self, mailer: Mailer, some: Sequence[Alert]) -> str:
        mail = as_mail(some, scheduler=self._settings.scheduler_name)
        try:
            return mailer.send([self._settings.alert_email or ""], mail.subject, mail.text, mail.html)
        except Exception as error:  # whatever SES and the network throw
            raise _RefusedError(
                str(error) or type(error).__name__, channel=getattr(error, "temporary", True)
            ) from error

    def _open_mailer(self) -> Mailer:
        try:
            return self._mailer()
        except Exception as error:  # whatever its library throws
            log.exception("mailer.failed")
            raise _RefusedError(f"mail cannot be sent ({type(error).__name__})", channel=True) from error

    # -- the table ----------------------------------------------------------------------------------------------------

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
        self._rests[some[0].channel] = _Rest()
        with self._store.write() as tx:
            owed.sent(tx, [alert.id for alert in some], now=self._clock.now())
        return len(some)

    def _failed(self, some: Sequence[Alert], error: _RefusedError) -> str:
        """Note why these were not taken, and that they, or their whole channel, are left alone for a while; return the reason.

        What is due stays due while its channel rests: so alerts go out in the order in which they were
        written.
        """
        channel, now = some[0].channel, self._clock.now()
        reason = self._settings.masked(str(error))[:ERROR_CHARS]
        with self._store.write() as tx:
            if error.channel:
                rest = self._rests[channel]
                pause = delay(rest.faults, some[0].id)
                self._rests[channel] = _Rest(rest.faults + 1, self._clock.monotonic() + pause.total_seconds())
                owed.put_back(tx, [alert.id for alert in some], reason, now=now)
            else:
                until = now + delay(max(alert.tries for alert in some), some[0].id)
                owed.failed(tx, [alert.id for alert in some], reason, try_at=until)
        return reason


def delay(tries: int, alert_id: str) -> timedelta:
    """Return how long an alert waits after so many failures before this one, plus up to 10 % that is a stable hash of its id."""
    return DELAYS.delay(tries + 1, stable_fraction(f"{alert_id}/{tries}"))


def signed(alert_id: str, timestamp: int, body: bytes, key: bytes | None) -> dict[str, str]:
    """Return the headers of a webhook: its id, the time of this try, and their signature if there is a key."""
    name = f"msg_{alert_id}"
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"sauron/{__version__}",
        "webhook-id": name,
        "webhook-timestamp": str(timestamp),
    }
    if key:
        digest = hmac.new(key, f"{name}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers
