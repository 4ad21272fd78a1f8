from zerg.jobs.context import JobContext


async def contacts(ctx: JobContext):
    print("job", ctx.job_id, "token", "set" if ctx.get_secret("CRM_TOKEN") else "missing")
    return {"status": "partial", "error_message": "3 of 4 pages"}


def calendar():
    print("synced")


async def flaky():
    raise ConnectionError("the import host closed the connection")
