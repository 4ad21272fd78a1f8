"""A failing story made small: events, then jobs and revisions are left out as long as it still fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.simulation.jobs import Violation
from tests.simulation.story import Event, Story
from tests.simulation.world import play

T = TypeVar("T")


def problem_of(story: Story) -> str | None:
    """Return what promise a story breaks, with where, or None."""
    try:
        play(story)
    except Violation as problem:
        return "\n".join([str(problem), *getattr(problem, "__notes__", [])])
    return None


def shrink(
    story: Story, *, fails: Callable[[Story], bool] = lambda one: problem_of(one) is not None
) -> Story:
    """Return a story that still fails and from which nothing more can be left out."""
    while True:
        before = story
        story = _shorter(story, fails)
        story = _with_fewer_events(story, fails)
        for job_id in sorted({job_id for manifest in story.revisions for job_id in manifest}):
            without = _without(story, job_id)
            if all(without.revisions) and fails(without):
                story = without
        for smaller in ({"runners": 1}, {"workers": 1}, {"on_disk": False}, {"ahead": ()}):
            if fails(changed := replace(story, **smaller)):
                story = changed
        if story == before:
            return story


def _with_fewer_events(story: Story, fails: Callable[[Story], bool]) -> Story:
    events = fewer(story.events, lambda some: fails(replace(story, events=tuple(some))))
    return replace(story, events=tuple(events))


def _shorter(story: Story, fails: Callable[[Story], bool]) -> Story:
    """End the story earlier."""
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        days = round(story.days * share, 3)
        events: list[Event] = [event for event in story.events if event[0] < days * 86400]
        if fails(shorter := replace(story, days=days, events=tuple(events))):
            return shorter
    return story


def _without(story: Story, job_id: str) -> Story:
    revisions = tuple(
        {name: fields for name, fields in manifest.items() if name != job_id} for manifest in story.revisions
    )
    return replace(story, revisions=revisions)


def fewer(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Return as few of the items, in their order, as still fail: delta debugging."""
    parts = 2
    while len(items) >= 1:
        size = max(1, len(items) // parts)
        for start in range(0, len(items), size):
            rest = [*items[:start], *items[start + size :]]
            if fails(rest):
                items, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(len(items), parts * 2)
    return items
