"""Who is told that runs are due: peers on this machine, NOTIFY between machines."""
