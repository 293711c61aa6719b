"""Two hosts: which one is asked, and that no call is ever sent a second time."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from services.payment.hosts import FAILURES_MAX, PROBE_AFTER_SECONDS, HostChoice
from services.payment.wechatpay import NoAnswer, WechatPay
from tests.unit.payment.given import ORDER, fen, number, refund_document
from tests.unit.payment.key_files import Ticks
from tests.unit.payment.provider import BASE, Answer, Provider

ONE, TWO = "https://one.test", "https://two.test"


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def hosts(ticks: Ticks) -> HostChoice:
    return HostChoice([ONE, TWO], ticks)


def fail(hosts: HostChoice, times: int) -> None:
    for _ in range(times):
        hosts.failed(hosts.choose(may_probe=False))


# ── the choice ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_only_failures_in_a_row_count(hosts: HostChoice) -> None:
    fail(hosts, FAILURES_MAX - 1)
    hosts.answered(ONE)
    fail(hosts, FAILURES_MAX - 1)
    assert hosts.choose(may_probe=True) == ONE
    fail(hosts, 1)
    assert hosts.choose(may_probe=True) == TWO


def test_one_query_a_minute_tries_the_first_again(hosts: HostChoice, ticks: Ticks) -> None:
    fail(hosts, FAILURES_MAX)
    ticks.now += PROBE_AFTER_SECONDS - 0.1
    assert hosts.choose(may_probe=True) == TWO
    ticks.now += 0.1
    assert hosts.choose(may_probe=False) == TWO
    assert hosts.choose(may_probe=True) == ONE
    assert hosts.choose(may_probe=True) == TWO
    hosts.failed(ONE)  # the probe: changes nothing
    assert hosts.choose(may_probe=True) == TWO
    ticks.now += PROBE_AFTER_SECONDS
    assert hosts.choose(may_probe=True) == ONE
    hosts.answered(ONE)
    assert hosts.choose(may_probe=False) == ONE


def test_when_the_second_fails_too_the_first_is_next(hosts: HostChoice) -> None:
    fail(hosts, FAILURES_MAX)
    fail(hosts, FAILURES_MAX - 1)
    assert hosts.choose(may_probe=False) == TWO
    fail(hosts, 1)
    assert hosts.choose(may_probe=False) == ONE


def test_a_single_host_is_always_asked(ticks: Ticks) -> None:
    hosts = HostChoice([ONE], ticks)
    fail(hosts, 10)
    assert hosts.choose(may_probe=True) == ONE
    for wrong in ([], [ONE, TWO, BASE]):
        with pytest.raises(ValueError, match="one or two hosts"):
            HostChoice(wrong, ticks)


# ── the calls ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def provider(keys: Path) -> Provider:
    return Provider(keys)


@pytest.fixture
def client(provider: Provider, hosts: HostChoice) -> WechatPay:
    return provider.client(hosts=hosts)


def asked(provider: Provider) -> list[str]:
    """Which host each call went to."""
    return [f"https://{request.url.host}" for request in provider.asked]


async def refund(client: WechatPay) -> None:
    await client.refund(number(), ORDER, fen(4_000), fen(10_000), "")


FAILURES = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.ReadTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.Response(502, content=b"<html>"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_a_call_is_sent_once_and_the_next_one_asks_the_other_host(
    provider: Provider, client: WechatPay, failure: httpx.Response | Exception
) -> None:
    provider.script = [failure] * FAILURES_MAX
    for n in range(FAILURES_MAX):
        with pytest.raises(NoAnswer):
            await refund(client)
        assert len(provider.asked) == n + 1
    provider.script = [provider.says(200, refund_document())]
    await refund(client)
    assert asked(provider) == [ONE] * FAILURES_MAX + [TWO]


@pytest.mark.parametrize("what", ["signed 500", "unsigned 403", "our own crowd"])
async def test_an_answer_of_the_provider_is_no_failure_of_its_host(
    provider: Provider, client: WechatPay, what: str
) -> None:
    for _ in range(FAILURES_MAX):
        answers: dict[str, Answer] = {
            "signed 500": provider.refuses(500, "SYSTEM_ERROR"),
            "unsigned 403": httpx.Response(403, content=b"<html>"),
            "our own crowd": httpx.PoolTimeout("full"),
        }
        provider.script = [answers[what]]
        with pytest.raises(NoAnswer):
            await refund(client)
    provider.script = [provider.says(200, refund_document())]
    await refund(client)
    assert set(asked(provider)) == {ONE}


async def test_only_a_query_tries_the_first_host_again(provider: Provider, client: WechatPay, ticks: Ticks) -> None:
    provider.script = [httpx.ConnectError("refused")] * FAILURES_MAX
    for _ in range(FAILURES_MAX):
        with pytest.raises(NoAnswer):
            await refund(client)
    ticks.now += PROBE_AFTER_SECONDS
    provider.asked.clear()
    provider.script = [provider.says(200, refund_document()) for _ in range(3)]
    await refund(client)
    await client.query_refund(number())
    await refund(client)
    assert asked(provider) == [TWO, ONE, ONE]


async def test_all_shops_share_what_is_known_of_the_hosts(provider: Provider, hosts: HostChoice) -> None:
    tea, house = provider.client(shop="tea", hosts=hosts), provider.client(hosts=hosts)
    provider.script = [httpx.ConnectError("refused")] * FAILURES_MAX
    for _ in range(FAILURES_MAX):
        with pytest.raises(NoAnswer):
            await refund(tea)
    provider.script = [provider.says(200, refund_document())]
    await refund(house)
    assert asked(provider)[-1] == TWO
