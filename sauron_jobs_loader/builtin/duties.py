"""Health monitor, retention and backup: each asks the runner, and logs and returns the reply."""

from typing import Any

from sauron_jobs_loader.context import JobContext

from .asking import ask


def health(ctx: JobContext) -> dict[str, Any]:
    """Return the status of Sauron; degraded while it has a problem.

    Alerts are sent elsewhere, not by this job. What `sauron doctor` would say is logged and degrades nothing.
    """
    found: dict[str, Any] = ask(ctx, "health")
    for fault in found["faults"]:
        ctx.log.warning("%s", fault)
    for advice in found["advice"]:
        ctx.log.warning("doctor: %s", advice)
    for name, value in found["facts"].items():
        ctx.log.info("%s: %s", name, value)
    summary = "; ".join(found["faults"]) or "all is well"
    return {"status": "degraded" if found["faults"] else "ok", "summary": summary, "error": summary, **found}


def retention(ctx: JobContext) -> dict[str, Any]:
    """Delete old rows, a part at a time, so that runs can be claimed and recorded meanwhile."""
    total: dict[str, int] = {}
    while True:
        pruned = ask(ctx, "prune")
        for name, count in pruned["deleted"].items():
            total[name] = total.get(name, 0) + count
        if not pruned["more"]:
            break
        ctx.progress(0.5, f"{sum(total.values())} rows deleted")
    told = ", ".join(f"{count} {name}" for name, count in total.items() if count)
    ctx.log.info("deleted: %s", told or "nothing")
    return {"status": "ok", "summary": f"deleted {told or 'nothing'}", "deleted": total}


def backup(ctx: JobContext) -> dict[str, Any]:
    """Copy the store and keep the newest few copies."""
    made = ask(ctx, "backup")
    ctx.log.info("wrote %s (%d bytes); %d copies are kept", made["file"], made["bytes"], made["kept"])
    return {"status": "ok", "summary": f"{made['bytes']} bytes to {made['file']}", **made}
