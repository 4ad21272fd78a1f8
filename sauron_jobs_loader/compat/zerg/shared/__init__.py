"""`zerg.shared`, as older bundles import it."""
