"""A cron expression and a zone become fire times. Pure: time is always an argument."""
