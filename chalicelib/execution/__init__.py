"""A claimed run becomes a finished attempt: workers, running attempts, verdicts, rescue."""
