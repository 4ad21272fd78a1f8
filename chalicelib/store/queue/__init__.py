"""The queue: enqueue, claim, lease, finish."""
