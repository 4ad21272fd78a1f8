"""The shapes of responses: `/openapi.json` documents them, and tests hold real responses against them.

`serializers` and the handlers write these shapes. A response may have more members than are named here; those
that are named are always there. Times are ISO 8601 in UTC. A route names its class by text
(`routing.Contract`), so nothing imports this package before the document is asked for.
"""
