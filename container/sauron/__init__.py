"""The container's process and the command line: what surrounds the application on one machine, never on Lambda."""
