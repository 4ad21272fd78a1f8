"""Pure questions over the schedule, the ledger and a revision."""
