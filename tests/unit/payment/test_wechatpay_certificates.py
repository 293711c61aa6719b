"""Platform certificates: downloaded, decrypted, believed only when they prove their own answer, kept until they
expire."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from services.payment.certificates import REFRESH_FOR_SERIAL_EVERY_SECONDS, REFRESH_SECONDS
from services.payment.keyfolder import KeyFolder
from services.payment.merchants import ASK_AGAIN_SECONDS, Merchants
from services.payment.wechatpay import BadSignature, NoAnswer, WechatPay
from tests.unit.payment.given import ORDER, number, refund_document
from tests.unit.payment.key_files import Listing, Ticks, copied
from tests.unit.payment.provider import Provider, text


@pytest.fixture
def provider(keys: Path) -> Provider:
    return Provider(keys)


@pytest.fixture
def listing(provider: Provider) -> Listing:
    found = Listing(provider)
    provider.certificates = found
    return found


@pytest.fixture
def keyless(keys: Path, tmp_path: Path, provider: Provider) -> WechatPay:
    """A client of an account without a public key of the provider."""
    folder = copied(keys, tmp_path / "keys")
    (folder / "wechatpay-public.pem").unlink()
    (folder / "wechatpay-serial.txt").unlink()
    return provider.client(KeyFolder(folder, Ticks()))


async def test_the_first_answer_brings_the_certificates(
    provider: Provider, listing: Listing, keyless: WechatPay
) -> None:
    listing.add("first")
    provider.script = [listing.says(200, refund_document()), listing.says(200, refund_document())]
    assert not keyless.knows_provider
    assert (await keyless.query_refund(number())).status == "PROCESSING"
    assert "wechatpay-serial" not in provider.asked[0].headers
    assert keyless.knows_provider
    await keyless.query_refund(number())
    assert "wechatpay-serial" not in provider.asked[1].headers  # named only where something is encrypted with it
    assert provider.certificates_asked == 1


async def test_a_new_certificate_is_fetched_when_it_signs_for_the_first_time(
    provider: Provider, listing: Listing, keyless: WechatPay
) -> None:
    listing.add("first")
    assert await keyless.refresh_certificates()
    old = listing.says(200, refund_document())
    provider.now += timedelta(seconds=1)
    listing.add("second")
    provider.script = [listing.says(200, refund_document()), old]
    await keyless.query_refund(number())
    await keyless.query_refund(number())  # by the old one, which counts until it expires
    assert provider.certificates_asked == 2


async def test_what_is_not_listed_any_more_counts_until_it_expires(
    provider: Provider, listing: Listing, keyless: WechatPay
) -> None:
    listing.add("first", days=(-1, 2))
    assert await keyless.refresh_certificates()
    first = Listing(provider, signer="first")
    listing.listed.clear()
    listing.add("second")
    assert await keyless.refresh_certificates()
    provider.script = [first.says(200, refund_document())]
    await keyless.query_refund(number())
    provider.now += timedelta(days=2)
    provider.script = [first.says(200, refund_document())]
    with pytest.raises(NoAnswer) as caught:
        await keyless.query_refund(number())
    assert caught.value.code == "UNVERIFIED"


async def test_a_failed_download_takes_nothing_away(provider: Provider, listing: Listing, keyless: WechatPay) -> None:
    serial = listing.add("first")
    assert await keyless.refresh_certificates()
    provider.certificates = lambda: httpx.Response(502)
    with capture_logs() as logs:
        assert not await keyless.refresh_certificates()
    assert [line["log_level"] for line in logs] == ["warning"]
    assert keyless.encrypt("x").serial == serial


SPOILED = ["another key", "another serial", "unlisted signer", "other bytes", "nothing", "old", "expired"]


@pytest.mark.parametrize("what", SPOILED)
async def test_certificates_that_do_not_prove_themselves_are_not_believed(
    provider: Provider, listing: Listing, keyless: WechatPay, what: str
) -> None:
    listing.add("first", days=(-30, 0) if what == "expired" else (-1, 30))
    good = listing()
    if what == "another key":
        listing.apiv3_key = b"0" * 32
    elif what == "another serial":
        listing.serial_shown = "1234"
    elif what == "unlisted signer":
        listing.signer = "somebody"
    elif what == "old":
        good = listing()
        provider.now += timedelta(minutes=5)
    answers: dict[str, httpx.Response] = {
        "other bytes": httpx.Response(200, content=good.content + b" ", headers=good.headers),
        "nothing": listing.says(200, {"data": [None]}),
        "old": good,
    }
    answer = answers.get(what) or listing()
    provider.certificates = lambda: answer
    with capture_logs() as logs:
        assert not await keyless.refresh_certificates()
    assert [line["log_level"] for line in logs] == ["error"]
    assert not keyless.knows_provider


async def test_both_key_modes_at_once(provider: Provider, listing: Listing) -> None:
    client = provider.client()
    serial = listing.add("first")
    provider.script = [provider.says(200, refund_document()), listing.says(200, refund_document())]
    await client.query_refund(number())
    assert provider.certificates_asked == 0
    await client.query_refund(number())
    assert provider.certificates_asked == 1
    assert client.encrypt("x").serial == text(provider.keys, "wechatpay-serial.txt") != serial


async def test_a_list_signed_with_the_public_key_is_believed_too(provider: Provider, listing: Listing) -> None:
    client = provider.client()
    listing.add("first")
    document: Any = json.loads(listing().content)
    provider.certificates = lambda: provider.says(200, document)
    assert await client.refresh_certificates()
    provider.script = [listing.says(200, refund_document())]
    await client.query_refund(number())
    assert provider.certificates_asked == 1


async def test_an_account_without_certificates_is_told_of_once(provider: Provider) -> None:
    client = provider.client()
    with capture_logs() as logs:
        assert not await client.refresh_certificates()
        assert not await client.refresh_certificates()
    assert [(line["log_level"], line["event"]) for line in logs] == [
        ("info", "this merchant has no platform certificates")
    ]


async def test_unknown_serials_do_not_make_us_ask_again_and_again(provider: Provider, listing: Listing) -> None:
    client = provider.client()
    raw = provider.callback("REFUND.SUCCESS", {})

    async def forged() -> None:
        with pytest.raises(BadSignature) as caught:
            await client.open_callback(provider.headers(raw, serial="ABCDEF"), raw)
        assert caught.value.fault == "unknown-key"

    listing.add("first")
    await client.refresh_certificates()
    for _ in range(10):
        await forged()
    assert provider.certificates_asked == 2
    provider.now += timedelta(seconds=REFRESH_FOR_SERIAL_EVERY_SECONDS)
    await forged()
    assert provider.certificates_asked == 3


async def test_a_callback_brings_the_certificates_too(provider: Provider, listing: Listing, keyless: WechatPay) -> None:
    listing.add("first")
    raw = provider.callback("REFUND.SUCCESS", {"a": 1})
    assert (await keyless.open_callback(listing.headers(raw), raw)).resource == {"a": 1}


async def test_nothing_is_encrypted_while_no_key_is_known(keyless: WechatPay) -> None:
    with pytest.raises(NoAnswer) as caught:
        keyless.encrypt("6225760000000403")
    assert caught.value.code == "NO_KEY"


async def test_a_certificate_that_is_not_valid_yet_is_kept_and_not_used(
    provider: Provider, listing: Listing, keyless: WechatPay
) -> None:
    now = listing.add("first")
    later = listing.add("second", days=(1, 30))
    listing.signer = "first"
    assert await keyless.refresh_certificates()
    assert keyless.encrypt("x").serial == now
    provider.now += timedelta(days=1)
    assert keyless.encrypt("x").serial == later
    provider.script = [Listing(provider, signer="second").says(204, {})]
    await keyless.close(ORDER)


async def test_certificates_are_renewed_twice_a_day_and_soon_where_there_is_no_key(
    provider: Provider, keyless: WechatPay, listing: Listing
) -> None:
    ticks = Ticks()
    merchants = Merchants({"": keyless, "tea": provider.client(shop="tea")}, monotonic=ticks)
    provider.certificates = None

    async def asked_after(seconds: float) -> int:
        ticks.now += seconds
        before = provider.certificates_asked
        await merchants.renew_certificates()
        return provider.certificates_asked - before

    assert await asked_after(0) == 2
    assert await asked_after(ASK_AGAIN_SECONDS - 1) == 0
    provider.certificates = listing
    listing.add("first")
    assert await asked_after(1) == 1  # the house's own knows no key yet
    assert keyless.knows_provider
    assert await asked_after(REFRESH_SECONDS - ASK_AGAIN_SECONDS - 1) == 0
    assert await asked_after(1) == 1  # tea, asked at the start
    assert await asked_after(ASK_AGAIN_SECONDS) == 1
