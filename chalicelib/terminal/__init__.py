"""What a terminal makes of the output of programs, without a terminal."""
