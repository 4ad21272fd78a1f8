"""Heads of requests that two readers may read differently, refused before anything is made of them.

A proxy in front may take another place for the end of such a request than Sauron does; what follows would
then be a request that nobody sent (RFC 9112, section 11.2). waitress accepts some of them. No refusal repeats
what was sent: it may hold a token.
"""

from __future__ import annotations

from waitress.parser import HTTPRequestParser, ParsingError

LENGTH, CHUNKS, HOST = b"content-length", b"transfer-encoding", b"host"
ONCE = (LENGTH, CHUNKS, HOST)


class StrictParser(HTTPRequestParser):
    """The parser of waitress, for heads with one reading."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read a head. Raises ParsingError, to which the answer is 400."""
        _refuse_unclear(header_plus)
        super().parse_header(header_plus)


def _refuse_unclear(head: bytes) -> None:
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if any(b"\r" in line or b"\n" in line for line in (first, *lines)):
        raise ParsingError("A line of the head holds a bare CR or LF. End lines with CR LF.")
    if any(line.startswith((b" ", b"\t")) for line in lines):
        raise ParsingError("A header goes on in a second line. Write it in one.")
    values: dict[bytes, list[bytes]] = {}
    for name, _, value in (line.partition(b":") for line in lines):
        values.setdefault(name.lower(), []).append(value.strip(b" \t"))
    for name in ONCE:
        if len(values.get(name, ())) > 1:
            raise ParsingError(f"There is more than one {name.decode().title()}. Send one.")
    if CHUNKS not in values:
        return
    if LENGTH in values:
        raise ParsingError("There are a Content-Length and a Transfer-Encoding. Send one of them.")
    if b"," in values[CHUNKS][0]:
        raise ParsingError("The body has more than one Transfer-Encoding. Send it as it is, or in chunks.")
    if first.rstrip().endswith(b"/1.0"):
        raise ParsingError("HTTP/1.0 has no Transfer-Encoding. Send the body with its Content-Length.")
