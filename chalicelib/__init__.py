"""Sauron, the application. It runs unchanged in the container, under `chalice local` and on Lambda.

The map, from the outside in. Imports go downwards only, which import-linter checks. docs/architecture.md
follows a run through these folders file by file.

    api                 HTTP: one blueprint per noun, tokens, problems; api/pages: the pages and their forms
    web                 templates, style, and charts as SVG
    runtime             the threads of a runner; one SQS message on Lambda
    wiring              composition: settings become objects
    operations          what a person or the assistant may do: trigger, enable, cancel, retry, drain
    bundle              sync, activation, revisions, what a job sees: the only way to the loader
    duties              what the scheduled handlers do: tick, and the steps of upkeep
    wakeup              who is told that runs are due (sockets, NOTIFY, SQS); which runners exist
    maintenance         retention, backup, builtin jobs, dead man's switch
    scheduling          the tick: time becomes rows
    execution           worker, running attempts and their heartbeat, log, verdict, retry, rescue
    answers             questions: why, plan, simulation, audit; how each job is, its day and its year
    alerting            checks (the rules), incidents, messages, delivery
    lifehub             copying attempts and definitions to Life Hub
    aws                 SQS messages, SSM parameters, EventBridge events
    store               tables and statements, one module per noun; queue: claims, overlap, leases, ends
    model               values and rules without store and clock: jobs, runs, occurrences, backoff
    cron                cron expression and zone to fire times
    terminal            what a terminal makes of output: the last state of each line
    chat                chat and push services by apprise: addresses, sending
    postgresql          which hosts are public; how a PostgreSQL server is verified
    settings, settings_readers, sources, text, logs, clock, errors, http_deadline     the ground
"""

__version__ = "3.0.0"
