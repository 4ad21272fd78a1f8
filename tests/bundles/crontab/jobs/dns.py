"""Do the names lead where they should?"""

import socket

WANTED = {"www.example.org": {"192.0.2.10"}, "mail.example.org": {"192.0.2.25"}}


def run():
    wrong = []
    for name, addresses in WANTED.items():
        found = {entry[4][0] for entry in socket.getaddrinfo(name, None, socket.AF_INET)}
        if found != addresses:
            wrong.append(f"{name}: {', '.join(sorted(found))} instead of {', '.join(sorted(addresses))}")
    if wrong:
        raise RuntimeError("; ".join(wrong))
    return f"{len(WANTED)} names are right"
