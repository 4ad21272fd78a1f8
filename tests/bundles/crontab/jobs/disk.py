"""Is there room on the disks?"""

import shutil

LIMITS = {"/": 90, "/srv": 85}


def run():
    used = {}
    for place in LIMITS:
        total, taken, _free = shutil.disk_usage(place)
        used[place] = round(100 * taken / total)
    full = [f"{place} is {used[place]} % full" for place, most in LIMITS.items() if used[place] > most]
    return {"status": "degraded" if full else "success", "summary": "; ".join(full) or "room enough", **used}
