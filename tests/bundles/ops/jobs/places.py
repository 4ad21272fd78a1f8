"""Where things are: places.json beside the manifest."""

import json
from pathlib import Path

PLACES = json.loads((Path(__file__).parents[1] / "places.json").read_text(encoding="utf-8"))
