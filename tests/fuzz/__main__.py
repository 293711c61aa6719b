"""`python -m tests.fuzz`: see `make fuzz`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time

import httpx

from tests.fuzz.firing import PHASES, Report, fire, gunners, knowing
from tests.fuzz.furnishing import furnish
from tests.fuzz.tour import tour
from tests.fuzz.town import Town, town

SHARES = {"coverage": 0.3, "stateful": 0.3, "fuzzing": 1.0}
"""How much of what is wanted a phase may take; the last one takes what is left, because the others come to an end."""


def run(place: Town, cases: int, seed: int) -> Report:
    """Fire about `cases` requests."""
    report = Report()
    document = httpx.get(f"{place.gateway}/openapi.json", trust_env=False).json()
    customer, known = asyncio.run(furnish(place))
    everybody = gunners(place, customer)
    for operation, status in tour(place, document, everybody, customer):
        report.answers[operation, status] += 1
    document = knowing(document, known)
    for phase in PHASES:
        until = min(report.cases + int(cases * SHARES[phase]), cases)
        for number, gunner in enumerate(everybody):
            left = (until - report.cases) // (len(everybody) - number)
            fire(place, document, gunner, phase, left, seed + number, report)
    return report


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}")
    with town() as place:
        began = time.monotonic()
        report = run(place, wanted.cases, wanted.seed)
        took = time.monotonic() - began
    for finding in report.findings.values():
        print(f"\n{finding}")
    print(f"\n{report.cases} cases ({dict(report.by_phase)}) in {took:.0f} s, {len(report.findings)} findings")
    print("never answered well:", *(report.never_good or ["none"]), sep="\n    ")
    sys.exit(bool(report.findings))


if __name__ == "__main__":
    main()
