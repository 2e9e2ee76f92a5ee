"""A data set of the project's own making, for trying out a delivery."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

STATIONS = ("harbour", "ridge", "orchard", "moor")


def sample(directory: str | Path, *, n_files: int = 36, seed: int = 1) -> tuple[str, ...]:
    """Write a small data set: a year of weather at four stations that never were.

    The files are CSV, TSV, JSON and JSON lines, a few hundred bytes to some 60 KiB each, in a folder for
    each station. The same arguments give the same bytes on every machine.

    Args:
        directory: where to write; made if it is not there. Files of the same names are overwritten.
        n_files: how many files.
        seed: of the random numbers.

    Returns:
        The files' paths relative to `directory`, ``/``-separated, sorted.
    """
    root = Path(directory)
    numbers = random.Random(seed)  # noqa: S311 — weather, not secrets
    written = []
    for i in range(n_files):
        station = STATIONS[i % len(STATIONS)]
        suffix, render = _FORMATS[(i // len(STATIONS)) % len(_FORMATS)]
        relpath = f"{station}/{render.__name__.strip('_')}-{i // len(STATIONS):04d}{suffix}"
        path = root / relpath
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render(station, numbers).encode())
        written.append(relpath)
    return tuple(sorted(written))


def _day(numbers: random.Random) -> str:
    return f"2025-{numbers.randint(1, 12):02d}-{numbers.randint(1, 28):02d}"


def _readings(station: str, numbers: random.Random) -> str:
    day = _day(numbers)
    rows = ["time,station,temperature_c,wind_m_s,note\r\n"]
    for minute in range(numbers.randint(60, 1440)):
        note = '"gusty, ""from the sea"""' if numbers.random() < 0.01 else ""
        time = f"{day}T{minute // 60:02d}:{minute % 60:02d}Z"
        rows.append(f"{time},{station},{numbers.gauss(11, 6):.2f},{numbers.expovariate(0.3):.1f},{note}\r\n")
    return "".join(rows)


def _extremes(station: str, numbers: random.Random) -> str:
    rows = ["month\tstation\tlowest_c\thighest_c\n"]
    for month in range(1, 13):
        low = numbers.gauss(0, 5)
        rows.append(f"{month}\t{station}\t{low:.1f}\t{low + numbers.uniform(5, 25):.1f}\n")
    return "".join(rows)


def _instruments(station: str, numbers: random.Random) -> str:
    made = [
        {"instrument": kind, "serial": f"{numbers.getrandbits(32):08x}", "calibrated": _day(numbers)}
        for kind in ("thermometer", "anemometer", "barometer", "Windmesser für Böen")
    ]
    return json.dumps({"station": station, "instruments": made}, indent=2, ensure_ascii=False) + "\n"


def _events(station: str, numbers: random.Random) -> str:
    return "".join(
        json.dumps(
            {"station": station, "day": _day(numbers), "event": kind, "strength": numbers.randint(1, 9)}
        )
        + "\n"
        for kind in numbers.choices(("frost", "storm", "fog", "hail"), k=numbers.randint(5, 200))
    )


_FORMATS: tuple[tuple[str, Callable[[str, random.Random], str]], ...] = (
    (".csv", _readings),
    (".tsv", _extremes),
    (".json", _instruments),
    (".jsonl", _events),
)
