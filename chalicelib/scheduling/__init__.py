"""Time becomes rows: the tick."""
