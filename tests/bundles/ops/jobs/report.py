"""Uses a package that only this bundle requires."""


def run():
    import opsnames

    return {"status": "ok", "summary": opsnames.greeting("the ops team")}
