"""Chat and push services, by the library apprise: their addresses, and sending to one of them."""
