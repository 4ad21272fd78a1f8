from __future__ import annotations

from chalicelib.settings import Settings


def test_a_token_that_may_be_guessed_is_warned_of_by_its_name() -> None:
    tokens = "jarvis:operate:fifteen-letters,grafana:read:sixteen-letters!,jarvis:read:letmein1"
    first, second = Settings.read({"SAURON_API_TOKENS": tokens}).warnings
    assert first.startswith("SAURON_API_TOKENS: the token of jarvis is shorter than 16 characters")
    assert "openssl rand -hex 16" in first
    assert second == first  # of two tokens with one name, each is told
    assert "letters" not in first + second
