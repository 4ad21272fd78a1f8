"""What every page keeps, as questions to a page that is open. Each returns the faults it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_SIDEWAYS = """() => {
    const root = document.documentElement, wide = root.clientWidth;
    return root.scrollWidth > wide ? [`${root.scrollWidth} px wide on ${wide}`] : [];
}"""
_SPILLED = """() => {
    const wide = document.documentElement.clientWidth, outer = ['MAIN', 'BODY', 'HTML'];
    const boxed = (one) => {
        for (let box = one.parentElement; !outer.includes(box.tagName); box = box.parentElement)
            if (getComputedStyle(box).overflowX !== 'visible') return true;
        return false;
    };
    const over = [...document.querySelectorAll('body *')].filter(
        (one) => one.getBoundingClientRect().right > wide + 0.5 && !boxed(one));
    return over.slice(-5).map((one) => 'out of the page: ' + one.outerHTML.slice(0, 150));
}"""

# Instants that a person reads, outside the elements that say when exactly; quoted texts are a person's own.
_TIMES = r"""() => {
    const faults = [...document.querySelectorAll('time')]
        .filter((one) => !/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(one.dateTime))
        .map((one) => 'time without an instant: ' + one.outerHTML.slice(0, 150));
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const node = walk.currentNode;
        if (/\d+ (s|min|h|d|days?) ago\b/.test(node.data)
            && !node.parentElement.closest('time, pre, code, style, script, textarea, [data-own]'))
            faults.push('instant outside <time>: ' + node.data.trim().slice(0, 100));
    }
    return faults;
}"""

_FRAME = """() => {
    const faults = [], count = (what) => document.querySelectorAll(what).length;
    if (count('h1') !== 1) faults.push(`${count('h1')} h1`);
    if (count('main') !== 1) faults.push(`${count('main')} main`);
    if (!document.querySelector('main h1')) faults.push('the h1 is not in main');
    if (!document.title.trim()) faults.push('no title');
    if (!document.documentElement.lang) faults.push('no language');
    return faults;
}"""

# What Tab stops at, in the order of the page: shown, not disabled, one radio button of a group.
_STOPS = """() => {
    const wanted = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]';
    const group = (one) => document.querySelector(`input[name="${CSS.escape(one.name)}"]:checked`);
    window.stops = [...document.querySelectorAll(wanted)].filter((one) =>
        one.tabIndex >= 0 && !one.disabled && one.checkVisibility({visibilityProperty: true})
        && !(one.type === 'radio' && !one.checked && group(one)));
    window.reached = new Map();
    document.addEventListener('focusin', (event) => {
        const style = getComputedStyle(event.target), box = event.target.getBoundingClientRect();
        const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
        const seen = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
        window.reached.set(event.target, [ring, seen]);
    });
    document.activeElement.blur(); // a page may begin in a field
    return window.stops.length;
}"""
_PARTS = 8  # a field for a date and a time has a stop for each of its parts
_MISSED = """() => window.stops.flatMap((one) => {
    const found = window.reached.get(one), name = one.outerHTML.slice(0, 120);
    if (!found) return ['Tab does not reach ' + name];
    return [...(found[0] ? [] : ['no ring on ' + name]), ...(found[1] ? [] : ['out of sight: ' + name])];
})"""


def frame(page: Page) -> list[str]:
    """Return what is missing of one h1, one main around it, a title and a language."""
    return _texts(page.evaluate(_FRAME))


def sideways(page: Page) -> list[str]:
    """Return why a page scrolls sideways."""
    return _texts(page.evaluate(_SIDEWAYS))


def spilled(page: Page) -> list[str]:
    """Return the elements that end to the right of a page, whether it scrolls there or cuts them off."""
    return _texts(page.evaluate(_SPILLED))


def times(page: Page) -> list[str]:
    """Return instants that no `<time datetime>` tells exactly."""
    return _texts(page.evaluate(_TIMES))


def axe(page: Page) -> list[str]:
    """Return what axe-core finds, whatever its weight."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['impact']} {one['id']}: {node['html'][:200]} ({node['failureSummary'][:300]})"
        for one in found
        for node in one["nodes"]
    ]


def keyboard(page: Page) -> list[str]:
    """Walk through a page with Tab alone; return the controls that it misses or shows no focus on."""
    for _ in range(page.evaluate(_STOPS) * _PARTS):
        page.keyboard.press("Tab")
        if page.evaluate("window.stops.every((one) => window.reached.has(one))"):
            break
    return _texts(page.evaluate(_MISSED))


def all_of(page: Page, *questions: Callable[[Page], list[str]]) -> list[str]:
    """Return the faults of several questions, each with the page's address."""
    return [f"{page.url}: {fault}" for question in questions for fault in question(page)]


def _texts(found: Sequence[Any]) -> list[str]:
    return [str(one) for one in found]
