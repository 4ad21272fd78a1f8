"""What all responses have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sha = Annotated[str, Field(pattern="^[0-9a-f]{40}$", description="A full commit id.")]
JobId = Annotated[str, Field(description="The id of a job.", examples=["daily-report"])]
RunId = Annotated[str, Field(description="The id of a run.")]


class Returned(BaseModel):
    """Base of all responses."""

    model_config = ConfigDict(extra="allow")


class Page(Returned):
    """Base of lists: how many items this page has, and where the next one begins."""

    count: int = Field(description="How many items this page has.")
    next_after: str | None = Field(
        description="Send it as `after` to read the next page; null on the last page."
    )


class Problem(Returned):
    """An error as problem+json (RFC 9457). Facts such as `job_id` or `faults` are members of their own."""

    type: str
    title: str
    status: int
    detail: str = Field(description="What is wrong, where, and what to send instead.")
    faults: list[str] = Field(default=[], description="With 422: each fault of the body.")
    parameter: str = Field(default="", description="With 400: the query parameter.")
