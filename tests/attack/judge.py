"""Attempts and what becomes of them: refused, or through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tests.attack.wire import Aim, Response

Judge = Callable[[Sequence[Response]], str | None]
NO_SUCH_THING = {501, 505}  # "this method or version is not known here" is a refusal


def refused(responses: Sequence[Response]) -> str | None:
    """Return why an attempt that is to be refused got through, or None. A closed connection is a refusal."""
    for one in responses:
        if one.status < 400:
            return f"answered {one.status}"
        if one.status >= 500 and one.status not in NO_SUCH_THING:
            return f"failed inside with {one.status}"
    return None


def refused_once(responses: Sequence[Response]) -> str | None:
    """As `refused`, and a connection on which nobody knows where a request ends has no second answer."""
    return f"{len(responses)} answers" if len(responses) > 1 else refused(responses)


def forbidden(responses: Sequence[Response]) -> str | None:
    """As `refused`, and by who asks, not by what is asked: 401, 403 or 429."""
    why = refused(responses)
    if why is None and any(one.status not in {401, 403, 429} for one in responses):
        return f"answered {responses[0].status}, as if it were allowed"
    return why


def admitted(responses: Sequence[Response]) -> str | None:
    """Return why a control failed: what is allowed was refused, so that refusals prove nothing."""
    if not responses or responses[0].status in {401, 403, 429} or responses[0].status >= 500:
        return f"the control failed: {responses[0].status if responses else 'no answer'}"
    return None


def without(*texts: str | bytes) -> Judge:
    """Return a judge of answers that must hold none of these texts, and not fail."""
    wanted = [text if isinstance(text, bytes) else text.encode() for text in texts]

    def judge(responses: Sequence[Response]) -> str | None:
        for one in responses:
            if one.status >= 500 and one.status not in NO_SUCH_THING:
                return f"failed inside with {one.status}"
            if found := [text for text in wanted if text in one.raw]:
                return f"the answer holds {found[0][:40]!r}"
        return None

    return judge


@dataclass(frozen=True)
class Attempt:
    """One thing that is sent, and how its answers are judged."""

    name: str
    data: bytes
    judge: Judge = refused


@dataclass
class Kind:
    """What one kind of attack came to."""

    name: str
    tries: int = 0
    through: list[str] = field(default_factory=list)

    def note(self, name: str, why: str | None) -> None:
        """Count one try; `why` says how it got through, None that it did not."""
        self.tries += 1
        if why is not None:
            self.through.append(f"{name}: {why}")

    def run(self, aim: Aim, attempts: Iterable[Attempt]) -> None:
        """Send every attempt and judge it."""
        for one in attempts:
            self.note(one.name, one.judge(aim.send(one.data)))


def table(kinds: Sequence[Kind]) -> str:
    """Return the table of what was tried and what got through, and each thing that did."""
    width = max(len(kind.name) for kind in kinds)
    rows = [f"{'kind':<{width}}  tries  through"]
    rows += [f"{kind.name:<{width}}  {kind.tries:>5}  {len(kind.through):>7}" for kind in kinds]
    total, through = sum(kind.tries for kind in kinds), sum(len(kind.through) for kind in kinds)
    rows.append(f"{'all':<{width}}  {total:>5}  {through:>7}")
    rows += [f"THROUGH  {kind.name}: {what}" for kind in kinds for what in kind.through]
    return "\n".join(rows)
