"""Values and rules: jobs, runs, occurrences, backoff. No store, no clock."""
