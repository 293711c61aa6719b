"""Where to sign and verify: in the event loop, or in threads beside it? `python -m tests.benchmarks.bench_signing`

At each rate, calls start on an even beat as refunds do: one signature, then one verification. What is printed is how
late the loop wakes up a timer meanwhile (p50 and p99, milliseconds), and the processor time of one call.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives.asymmetric import rsa

from services.payment.signing import Stamp, request_message, sign

RATES = (50, 150, 500, 1_000)
BEAT_SECONDS = 0.001
BODY = b'{"out_trade_no":"ORDER0000000000000001","amount":{"refund":4000,"total":10000,"currency":"CNY"}}' * 4

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEY.public_key()
NOW = time.time()

Way = Callable[[], Awaitable[None]]


def one_call() -> None:
    """What one call costs: our signature and the check of theirs."""
    timestamp = str(int(NOW))
    sign(KEY, request_message("POST", "/v3/refund/domestic/refunds", timestamp, "N", BODY))
    STAMP.check(BODY, PUBLIC, NOW)


STAMP = Stamp(str(int(NOW)), "N", sign(KEY, f"{int(NOW)}\nN\n".encode() + BODY + b"\n"), "S")


async def inline() -> None:
    one_call()


async def any_thread() -> None:
    await asyncio.to_thread(one_call)


def of_two_threads(pool: ThreadPoolExecutor) -> Way:
    async def run() -> None:
        await asyncio.get_running_loop().run_in_executor(pool, one_call)

    return run


async def lateness(stop: asyncio.Event) -> list[float]:
    """How late each beat comes, seconds."""
    late: list[float] = []
    while not stop.is_set():
        before = time.perf_counter()
        await asyncio.sleep(BEAT_SECONDS)  # why: the beat that is measured
        late.append(time.perf_counter() - before - BEAT_SECONDS)
    return late


async def load(way: Way, rate: int, seconds: float) -> list[float]:
    """The loop's lateness while calls start at this rate."""
    stop = asyncio.Event()
    measuring = asyncio.create_task(lateness(stop))
    started = time.perf_counter()
    if rate == 0:
        await asyncio.sleep(seconds)  # why: the loop without load
    async with asyncio.TaskGroup() as calls:
        for n in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + n / rate - time.perf_counter()))  # why: calls come on a beat
            calls.create_task(_awaited(way))
    stop.set()
    return sorted(await measuring)


async def _awaited(way: Way) -> None:
    await way()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each row is measured")
    seconds: float = parser.parse_args().seconds
    print(f"400 calls: one thread {in_threads(1):.3f} s, two threads {in_threads(2):.3f} s")
    print(f"{'way':<12}{'rate/s':>8}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'cpu ms/call':>14}")
    with ThreadPoolExecutor(2) as pool:
        ways: dict[str, Way | None] = {
            "idle": None,
            "inline": inline,
            "to_thread": any_thread,
            "two threads": of_two_threads(pool),
        }
        for name, way in ways.items():
            for rate in RATES if way else (0,):
                row(name, way or inline, rate, seconds)


def in_threads(threads: int, calls: int = 400) -> float:
    """Seconds for so many calls in so many threads: twice as fast in two if the interpreter's lock is let go."""
    before = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: one_call(), range(calls)))
    return time.perf_counter() - before


def row(name: str, way: Way, rate: int, seconds: float) -> None:
    """Measure and print one row; the loop's own beat is part of the processor time."""
    before = time.process_time()
    late = asyncio.run(load(way, rate, seconds))
    cost = f"{(time.process_time() - before) / (rate * seconds) * 1000:.2f}" if rate else "-"
    p50, p99 = late[len(late) // 2] * 1000, late[len(late) * 99 // 100] * 1000
    print(f"{name:<12}{rate:>8}{p50:>10.2f}{p99:>10.2f}{late[-1] * 1000:>10.2f}{cost:>14}")


if __name__ == "__main__":
    main()
