"""What keeps a process going: the threads of a runner, one message on Lambda."""
