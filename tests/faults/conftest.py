"""The fixtures of the outside suite serve here too."""

from tests.e2e.conftest import repository, serve

__all__ = ["repository", "serve"]
