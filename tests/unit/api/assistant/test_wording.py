from __future__ import annotations

import pytest

from chalicelib.api.assistant.calls import TOOLS
from chalicelib.api.assistant.wording import facts_in_tools, in_tools

RUN = "0197a3f2-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("Enable it: `sauron enable a-b`.", "Enable it: `set_enabled with job_id=a-b and enabled=true`."),
        ("`sauron run a` starts it", "`trigger with job_id=a` starts it"),
        (f"`sauron logs -f {RUN}` follows it", f"`run_log with run_id={RUN}` follows it"),
        (
            f"`sauron logs {RUN}`, `sauron retry {RUN}`",
            f"`run_log with run_id={RUN}`, `retry with run_id={RUN}`",
        ),
        ("`sauron runs --job a` and `sauron runs`", "`runs with job_id=a` and `runs`"),
        ("`sauron list` or `sauron status`", "`find_jobs` or `overview`"),
        ("`sauron unpause` ends it", "`pause with enabled=false` ends it"),
    ],
)
def test_a_command_that_has_a_tool_is_named_as_that_tool(words: str, read: str) -> None:
    assert in_tools(words) == read
    named = [part.split()[0] for part in read.split("`")[1::2]]
    assert set(named) <= set(TOOLS)


@pytest.mark.parametrize(
    "words",
    ["`sauron serve`", "`sauron run a --force`", "`sauron sync --accept-removals`", "run sauron enable a"],
)
def test_a_command_without_a_tool_stays_for_a_person(words: str) -> None:
    assert in_tools(words) == words


def test_what_jobs_wrote_stays_as_it_is() -> None:
    command = "`sauron enable a`"
    tool = "`set_enabled with job_id=a and enabled=true`"
    facts = {"sentence": command, "problems": [command], "log": command, "facts": [{"what": command}]}
    assert facts_in_tools(facts) == facts | {"sentence": tool, "problems": [tool]}
