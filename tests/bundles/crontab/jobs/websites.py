"""Are the websites there?"""

from httpx import HTTPError

from sauron_jobs_loader.toolkit import http

URLS = ("https://www.example.org/", "https://shop.example.org/health")


def run():
    down = []
    with http.client(timeout_seconds=10) as client:
        for url in URLS:
            try:
                code = client.get(url).status_code
            except HTTPError as error:
                down.append(f"{url}: {type(error).__name__}: {error}")
            else:
                down += [f"{url}: {code}"] if code >= 400 else []
    if down:
        raise RuntimeError("; ".join(down))
    return f"{len(URLS)} are up"
