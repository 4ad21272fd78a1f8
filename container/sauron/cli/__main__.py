"""`python -m sauron.cli`."""

from . import main

main()
