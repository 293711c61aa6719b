"""`python -m tests.fuzz`: see `make fuzz`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time

import httpx

from tests.fuzz.firing import PHASES, Report, fire, gunners
from tests.fuzz.town import Town, town
from tests.support.shop import shop_at

SHARES = {"coverage": 0.3, "fuzzing": 0.4, "stateful": 0.3}


def run(place: Town, cases: int, seed: int) -> Report:
    """Fire about `cases` requests."""
    report = Report()
    document = httpx.get(f"{place.gateway}/openapi.json", trust_env=False).json()
    customer = asyncio.run(furnish(place))
    everybody = gunners(place, customer)
    for phase in PHASES:
        for number, gunner in enumerate(everybody):
            left = int(cases * SHARES[phase]) // len(everybody)
            fire(place, document, gunner, phase, left, seed + number, report)
    return report


async def furnish(place: Town) -> str:
    """A shop with goods and an order in each state; returns its customer."""
    async with shop_at(place.gateway, place.sandbox) as shop:
        await shop.opens(tea=1_000, cup=1_000)
        await shop.order(tea=1)
        await shop.paid_order(tea=2, cup=1)
        cancelled = await shop.paid_order(tea=1)
        await shop.cancels(cancelled)
        waits = await shop.paid_order(tea=2)
        await shop.cancels(waits, code="wrong-item")
        return shop.name


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
    print("never answered well:", ", ".join(report.never_good) or "none")
    sys.exit(bool(report.findings))


if __name__ == "__main__":
    main()
