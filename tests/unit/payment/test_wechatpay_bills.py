"""Bills: the link is signed, the file is proved by its hash and comes from the provider's own host only."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from services.payment.bill_download import BadBill, unpacked
from services.payment.keyfolder import KeyFolder
from services.payment.wechatpay import NoAnswer, Refused
from tests.unit.payment.key_files import Ticks, copied
from tests.unit.payment.provider import BASE, Provider

DAY = date(2026, 10, 31)
FILE = "交易时间,公众账号ID\r\n`2026-10-31 12:00:00,`wx1\r\n".encode()
LINK = f"{BASE}/v3/billdownload/file?token=a%2Fb"


@pytest.fixture
def provider(keys: Path) -> Provider:
    return Provider(keys)


def link(provider: Provider, url: str = LINK, file: bytes = FILE, kind: str = "SHA1") -> httpx.Response:
    found = {"hash_type": kind, "hash_value": hashlib.sha1(file).hexdigest(), "download_url": url}
    return provider.says(200, found)


@pytest.mark.parametrize("packed", [True, False])
async def test_a_trade_bill_is_fetched_and_proved(provider: Provider, packed: bool) -> None:
    provider.script = [link(provider), httpx.Response(200, content=gzip.compress(FILE) if packed else FILE)]
    assert await provider.client().trade_bill(DAY, "ALL") == FILE
    first, second = (request.url.raw_path.decode() for request in provider.asked)
    assert first == "/v3/bill/tradebill?bill_date=2026-10-31&bill_type=ALL&tar_type=GZIP"
    assert second == "/v3/billdownload/file?token=a%2Fb"


async def test_a_fund_flow_bill_is_of_one_account(provider: Provider) -> None:
    provider.script = [link(provider), httpx.Response(200, content=FILE)]
    assert await provider.client().fund_flow_bill(DAY, "BASIC") == FILE
    target = provider.asked[0].url.raw_path.decode()
    assert target == "/v3/bill/fundflowbill?bill_date=2026-10-31&account_type=BASIC&tar_type=GZIP"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/v3/billdownload/file",
        "http://provider.test/v3/billdownload/file",
        "https://provider.test:8443/file",
        "https://provider.test.evil.test/file",
        "https://provider.test@evil.test/file",
        "https://somebody@provider.test/file",
        "//provider.test/file",
        "/file",
        "https://[",
    ],
)
async def test_our_signature_goes_to_the_providers_own_hosts_only(provider: Provider, url: str) -> None:
    provider.script = [link(provider, url)]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().trade_bill(DAY, "ALL")
    assert (caught.value.code, len(provider.asked)) == ("UNREADABLE", 1)


SPOILED = {
    "changed": FILE[:-1],
    "cut off": gzip.compress(FILE)[:-4],
    "longer": gzip.compress(FILE + b"x"),
    "empty": b"",
    "no gzip": b"\x1f\x8b1",
}


@pytest.mark.parametrize("what", SPOILED)
async def test_a_file_that_is_not_the_promised_one_is_not_taken(provider: Provider, what: str) -> None:
    provider.script = [link(provider), httpx.Response(200, content=SPOILED[what])]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().trade_bill(DAY, "ALL")
    assert caught.value.code == "UNVERIFIED"


async def test_another_kind_of_hash_proves_nothing(provider: Provider) -> None:
    provider.script = [link(provider, kind="MD5")]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().trade_bill(DAY, "ALL")
    assert caught.value.code == "UNREADABLE"


async def test_a_day_without_a_bill_is_refused_with_the_providers_word(provider: Provider) -> None:
    provider.script = [provider.refuses(400, "NO_STATEMENT_EXIST"), link(provider)]
    provider.script.append(httpx.Response(403, content=b'{"code":"NO_AUTH"}'))
    for code in ("NO_STATEMENT_EXIST", "NO_AUTH"):
        with pytest.raises(Refused) as caught:
            await provider.client().trade_bill(DAY, "ALL")
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (httpx.ReadTimeout("slow"), "TIMEOUT"),
        (httpx.ReadError("reset"), "CONNECTION"),
        (httpx.Response(502), "HTTP_502"),
        (httpx.Response(302, headers={"Location": "https://evil.test/"}), "HTTP_302"),
    ],
)
async def test_a_download_that_breaks_off_is_no_answer(
    provider: Provider, trouble: Exception | httpx.Response, code: str
) -> None:
    provider.script = [link(provider), trouble]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().trade_bill(DAY, "ALL")
    assert caught.value.code == code


async def test_an_endless_file_is_cut_off(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.payment.wechatpay.BILL_BYTES_MAX", 1_000)

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 100

    provider.script = [link(provider), httpx.Response(200, stream=Endless())]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().trade_bill(DAY, "ALL")
    assert caught.value.code == "TOO_LARGE"


def test_a_small_file_that_unpacks_to_a_large_one_is_not_taken() -> None:
    bomb = gzip.compress(b"0" * 1_000_000)
    digest = hashlib.sha1(b"0" * 1_000_000).hexdigest()
    assert len(unpacked(bomb, digest, 1_000_000)) == 1_000_000
    with pytest.raises(BadBill, match="more than 999999 bytes"):
        unpacked(bomb, digest, 999_999)


def test_a_file_of_several_members_is_one_file() -> None:
    raw = gzip.compress(FILE) + gzip.compress(FILE)
    assert unpacked(raw, hashlib.sha1(FILE * 2).hexdigest().upper()) == FILE * 2


async def test_a_service_provider_gets_the_bill_of_its_sub_merchant_only(provider: Provider, tmp_path: Path) -> None:
    (copied(provider.keys, tmp_path) / "sub-mchid.txt").write_text("1900000222")
    client = provider.client(KeyFolder(tmp_path, Ticks()))
    provider.script = [link(provider), httpx.Response(200, content=FILE)]
    assert await client.trade_bill(DAY, "REFUND") == FILE
    assert "sub_mchid=1900000222" in provider.asked[0].url.query.decode()
    with pytest.raises(Refused) as caught:
        await client.fund_flow_bill(DAY, "BASIC")
    assert (caught.value.code, len(provider.asked)) == ("NO_AUTH", 2)
