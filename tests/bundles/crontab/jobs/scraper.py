"""New articles since the last run; the last id is in the job's state."""

from sauron_jobs_loader import JobContext
from sauron_jobs_loader.toolkit import http


def run(ctx: JobContext):
    last = ctx.state.get("last id", 0)
    with http.client(timeout_seconds=20) as client:
        answer = client.get("https://news.example.org/api/articles", params={"after": last})
        answer.raise_for_status()
    articles = answer.json()
    for article in articles:
        ctx.log.info("%s %s", article["id"], article["title"])
    if articles:
        ctx.state["last id"] = max(article["id"] for article in articles)
    return f"{len(articles)} new"
