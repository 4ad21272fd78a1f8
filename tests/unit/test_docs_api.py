from __future__ import annotations

from tests.api_page import PAGE, written
from tests.unit.api.documented import the_document


def test_the_page_on_the_api_is_what_make_docs_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == written(the_document()), "run `make docs`"
