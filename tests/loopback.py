"""How tests ask a server of theirs on loopback."""

from __future__ import annotations

import ssl

# For `verify=` of an httpx client that speaks HTTP alone: by itself each client reads all roots of the web,
# which takes longer than what is asked. With this one no server would be trusted.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
