"""Sauron, the application. It runs unchanged in the container, under `chalice local` and on Lambda.

The map, from the outside in; imports go one way only, downwards (import-linter holds it):

    api/ web/      HTTP: one blueprint per noun, tokens, problems; the page
    local message  the clock and the workers that stand in for EventBridge and SQS (`errands`); one message on Lambda
    wiring         settings become live objects; the one door; with `loading` and `job_environ`, the seam to the loader
    dispatch sync_function parameters         AWS: SQS messages, a sync by another function, settings in SSM
    targets        what Lambda cannot run, and why
    tick sync work upkeep operate explain     the duties, what a person may do, and pure questions
    incidents symptoms alerts delivery heartbeat     what is wrong, and telling people
    lifehub/       copying runs and definitions out
    builtin retention                         what the builtin jobs ask for; what is kept for how long
    live attempt_log verdict                  attempts under way, what they wrote, and what their end means
    store/         SQLAlchemy Core: one module per noun; `ledger` keeps every occurrence accounted for, `turn` joins an
                   attempt's end and the next claim, `unheard` hands back claims whose commit was not answered
    occurrences event_clock                   the arithmetic between a schedule and the ledger; EventBridge's events
    jobs runs retry schedule                  values and rules: no store, no clock
    settings logs clock peers errors     the ground
"""

__version__ = "3.0.0"
