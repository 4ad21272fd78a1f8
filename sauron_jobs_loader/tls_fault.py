"""Why a TLS connection was not made, in words that say the cure instead of OpenSSL's."""

from __future__ import annotations

import re

_OURS = re.compile(r"\[SSL[:\]]|CERTIFICATE_VERIFY_FAILED")
_WORDS = (
    ("certificate has expired", "its certificate has expired; whoever runs it has to renew it"),
    ("not yet valid", "its certificate is not valid yet; set the clocks of both machines"),
    ("mismatch|not match", "its certificate is for another host; write the host that it names"),
    (
        "self.signed|issuer|first certificate|VERIFY_FAILED",
        "the root of its certificate is not known; if it is your own, name its file in Sauron's {root_in}",
    ),
    (
        "PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW",
        "it speaks only versions of TLS before 1.2, which are not safe; update it",
    ),
    (
        "WRONG_VERSION_NUMBER|HTTP_REQUEST|UNKNOWN_PROTOCOL|RECORD_LAYER_FAILURE|LENGTH_TOO_LONG",
        "it does not begin with TLS at this port; write its port for TLS, or a scheme without TLS",
    ),
)


def tls_fault(said: str, *, root_in: str = "SSL_CERT_FILE") -> str | None:
    """Return what an error's text says about TLS, with the cure; None if it is about something else.

    `root_in` is the variable that names the file of a trusted root.
    """
    if not _OURS.search(said):
        return None
    for pattern, words in _WORDS:
        if re.search(pattern, said):
            return words.format(root_in=root_in)
    reason = re.search(r"\[SSL:? ?([A-Z0-9_ ]*)\]", said)
    return f"TLS failed ({reason[1].lower().replace('_', ' ') if reason else 'for an unknown reason'})"
