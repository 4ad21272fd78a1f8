"""Print what a job wrote: safe for a terminal, where colours pass, or raw."""

from __future__ import annotations

import codecs
from typing import TextIO

from chalicelib.text import Cleaner

RAW_HELP = "Print control sequences too, as the job wrote them: they may drive the terminal."


class JobOutput:
    """Prints the output of one run as it comes."""

    def __init__(self, stream: TextIO, *, raw: bool) -> None:
        """Print on `stream`; with `raw`, every letter as the job wrote it."""
        self._stream = stream
        self._raw = raw
        self._cleaner = Cleaner(colours=stream.isatty())
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, text: str) -> None:
        """Print a piece of the output."""
        self._stream.write(text if self._raw else self._cleaner.feed(text))
        self._stream.flush()

    def write_bytes(self, data: bytes) -> None:
        """Print a piece of the output that is not decoded yet."""
        if self._raw:
            self._stream.flush()
            self._stream.buffer.write(data)
            self._stream.buffer.flush()
        else:
            self.write(self._decoder.decode(data))

    def end(self) -> None:
        """Print what was held back because it might have been the beginning of a sequence."""
        if not self._raw:
            self.write(self._decoder.decode(b"", final=True))
            self._stream.write(self._cleaner.end())
        self._stream.flush()
