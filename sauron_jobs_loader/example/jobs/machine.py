"""Load and memory of this machine, looked at side by side."""

import asyncio
import os
from pathlib import Path

MOST_LOAD = 4  # per CPU
LEAST_FREE = 5  # percent of memory


async def check_machine() -> dict[str, object]:
    """Return load and free memory, degraded when there is too much of the one or too little of the other."""
    load, free = await asyncio.gather(load_per_cpu(), free_memory_percent())
    print(f"load per CPU {load}, free memory {free} %")
    said = f"load {load} per CPU, {free} % of memory free"
    result: dict[str, object] = {"status": "success", "summary": said}
    result |= {"load_per_cpu": load, "free_percent": free}
    if load > MOST_LOAD or free < LEAST_FREE:
        result |= {"status": "degraded", "error": f"{said}; the limits are {MOST_LOAD} and {LEAST_FREE} %"}
    return result


async def load_per_cpu() -> float:
    """Return the load of the last minute, divided by the number of CPUs."""
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)


async def free_memory_percent() -> float:
    """Return how much memory could be used, in percent."""
    lines = await asyncio.to_thread(Path("/proc/meminfo").read_text)
    kilobytes = {
        name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines.splitlines())
    }
    return round(100 * kilobytes["MemAvailable"] / kilobytes["MemTotal"], 1)
