"""The same where there is no git binary: Lambda."""
