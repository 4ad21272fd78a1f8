"""Tools for jobs: mail, HTTP, commands here and on other machines, state between runs, progress.

The tools are `email`, `http`, `command`, `ssh`, `state` and `progress`; docs/jobs.md shows each.

Importing them is cheap: the library behind a tool is imported when the tool is first used. Limit: `state`,
`progress` and `context.current` work in the process of the job function and its threads, not in processes it
starts.
"""
