"""The characters that the value of a setting may have.

A value ends up in headers, subjects, log lines, titles of pages and labels of metrics. Each of these is one
line of visible text, so that what breaks lines or hides text is refused once, for every setting.
"""

from __future__ import annotations

import re

from chalicelib.text import LINE_ENDS, not_of_a_line


def visible(value: str, *, several: bool) -> str:
    """Return a value of one line, or of `several` (then each is looked at).

    Raises ValueError for a line break, a control character, a mark of direction and bytes that are not UTF-8.
    """
    for line in re.split(r"[\r\n]", value) if several else [value]:
        if (bad := not_of_a_line(line)) is not None:
            what = "a line break" if bad in LINE_ENDS else f"the invisible character U+{ord(bad):04X}"
            if "\ud800" <= bad <= "\udfff":
                what = "bytes that are not UTF-8"
            raise ValueError(f"it holds {what}; write it without")
    return value
