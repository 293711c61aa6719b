"""Keys are files that may change while the service runs, and shops may be added."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.payment.keyfolder import (
    LOOK_AT_ONCE_EVERY_SECONDS,
    LOOK_EVERY_SECONDS,
    SETTLE_SECONDS,
    KeyFolder,
    UnusableKeys,
    read_merchant,
)
from services.payment.merchants import (
    LOOK_FOR_SHOPS_EVERY_SECONDS,
    Merchants,
    UnknownShop,
    expect_keys,
    folders,
    open_merchants,
)
from services.payment.settings import PaymentSettings
from services.payment.wechatpay import NoAnswer, Refused
from tests.unit.payment.given import ORDER, fen, number, refund_document
from tests.unit.payment.key_files import (
    Ticks,
    certificate,
    certificate_pem,
    change_merchant_key,
    copied,
    private_pem,
    public_pem,
    rsa_key,
)
from tests.unit.payment.provider import Provider, text


@pytest.fixture
def folder(keys: Path, tmp_path: Path) -> Path:
    return copied(keys, tmp_path / "keys")


# ── what is in a folder ──────────────────────────────────────────────────────────────────────────────────────────────
def test_a_platform_certificate_joins_the_key_ring(folder: Path) -> None:
    (folder / "wechatpay-keys").mkdir()
    (folder / "wechatpay-keys" / "5157F09EFDC096DE.pem").write_bytes(certificate_pem(certificate("old")))
    ring = read_merchant(folder).key_ring
    assert set(ring) == {text(folder, "wechatpay-serial.txt"), "5157F09EFDC096DE"}
    assert ring["5157F09EFDC096DE"].public_numbers() == rsa_key("old").public_key().public_numbers()


def test_an_account_may_have_no_public_key_of_the_provider(folder: Path) -> None:
    (folder / "wechatpay-public.pem").unlink()
    (folder / "wechatpay-serial.txt").unlink()
    merchant = read_merchant(folder)
    assert (merchant.provider_serial, dict(merchant.key_ring)) == ("", {})


@pytest.mark.parametrize("name", ["merchant-private.pem", "wechatpay-public.pem"])
def test_a_key_of_another_kind_is_named(keys: Path, folder: Path, name: str) -> None:
    other = "login-private.pem" if "private" in name else "login-public.pem"
    (folder / name).write_bytes((keys / other).read_bytes())
    with pytest.raises(UnusableKeys, match=f"{name} is not an RSA key"):
        read_merchant(folder)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("apiv3-key.txt", b"short", "apiv3-key.txt must hold 32 bytes"),
        ("mchid.txt", b"  \n", "mchid.txt in .* is empty"),
        ("merchant-serial.txt", b"\xff\xfe", "merchant-serial.txt is not a text"),
        ("merchant-private.pem", b"-----BEGIN PRIVATE KEY-----\nMIIE", "merchant-private.pem is not a key"),
        ("wechatpay-public.pem", b"-----BEGIN PUBLIC KEY-----\nMIIE", "wechatpay-public.pem is not a key"),
        ("merchant-public.pem", public_pem(rsa_key("other")), "are not a pair"),
    ],
)
def test_what_cannot_be_used_is_named(folder: Path, name: str, content: bytes, why: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UnusableKeys, match=why):
        read_merchant(folder)


@pytest.mark.parametrize("name", ["mchid.txt", "merchant-private.pem", "wechatpay-public.pem", "wechatpay-serial.txt"])
def test_a_service_does_not_start_without_a_file(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(SystemExit) as left:
        expect_keys(folder)
    assert left.value.code == 2
    assert f"cannot read {name}" in capsys.readouterr().err


def test_a_service_does_not_start_with_one_broken_shop(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copied(folder, folder / "merchants" / "tea")
    expect_keys(folder)
    (folder / "merchants" / "tea" / "appid.txt").unlink()
    with pytest.raises(SystemExit):
        expect_keys(folder)
    assert "merchants/tea" in capsys.readouterr().err


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_change_is_taken_once_it_has_settled(folder: Path) -> None:
    ticks = Ticks()
    keys = KeyFolder(folder, ticks)
    change_merchant_key(folder, "second")
    before = keys.merchant.serial
    ticks.now += LOOK_EVERY_SECONDS - 0.1
    assert keys.merchant.serial == before
    ticks.now += 0.1
    assert keys.merchant.serial == before  # seen, but it may still be written
    ticks.now += SETTLE_SECONDS
    assert keys.merchant.serial == "SERIAL-second"
    assert keys.merchant.private_key.private_numbers() == rsa_key("second").private_numbers()


def test_a_change_that_goes_on_is_waited_for(folder: Path) -> None:
    ticks = Ticks()
    keys = KeyFolder(folder, ticks)
    before = keys.merchant.serial
    change_merchant_key(folder, "second")
    ticks.now += LOOK_EVERY_SECONDS
    assert keys.merchant.serial == before
    change_merchant_key(folder, "third")
    ticks.now += SETTLE_SECONDS
    assert keys.merchant.serial == before
    ticks.now += SETTLE_SECONDS
    assert keys.merchant.serial == "SERIAL-third"


def test_a_half_written_folder_never_takes_the_place_of_a_working_one(folder: Path) -> None:
    ticks = Ticks()
    keys = KeyFolder(folder, ticks)
    before = keys.merchant
    whole = private_pem(rsa_key("second"))
    (folder / "merchant-private.pem").write_bytes(whole[:-300])
    with capture_logs() as logs:
        for _ in range(5):
            ticks.now += LOOK_EVERY_SECONDS
            assert keys.merchant is before
    assert [line["log_level"] for line in logs] == ["error"]
    (folder / "merchant-private.pem").write_bytes(whole)  # without its serial and public half: no pair
    ticks.now += LOOK_EVERY_SECONDS
    assert not keys.look_at_once()
    assert keys.merchant is before
    change_merchant_key(folder, "second")
    ticks.now += LOOK_EVERY_SECONDS
    assert keys.look_at_once()
    assert keys.merchant.serial == "SERIAL-second"


@pytest.mark.parametrize("other", [{"mchid": "1900000888"}, {"sub-mchid": "1900000888"}, {"sub-mchid": ""}])
def test_keys_of_another_merchant_are_not_taken_while_refunds_are_under_way(
    folder: Path, other: dict[str, str]
) -> None:
    """Copied into the wrong shop's folder, say: the other merchant does not find our refunds, as if never made."""
    ticks = Ticks()
    (folder / "sub-mchid.txt").write_text("1900000777")
    keys = KeyFolder(folder, ticks)
    before = keys.merchant
    change_merchant_key(folder, "second")
    for name, content in other.items():
        (folder / f"{name}.txt").write_text(content)
        if not content:
            (folder / f"{name}.txt").unlink()
    ticks.now += LOOK_EVERY_SECONDS
    with capture_logs() as logs:
        assert not keys.look_at_once()
        for _ in range(3):
            ticks.now += LOOK_EVERY_SECONDS
            assert keys.merchant is before
    assert [(line["log_level"], line["before"]) for line in logs] == [("error", before.mchid)]
    (folder / "sub-mchid.txt").write_text(before.sub_mchid)
    (folder / "mchid.txt").write_text(before.mchid)
    ticks.now += LOOK_EVERY_SECONDS
    assert keys.look_at_once()
    assert keys.merchant.serial == "SERIAL-second"


def test_a_new_folder_of_a_service_provider_may_be_read_before_it_says_for_whom_it_is(folder: Path) -> None:
    ticks = Ticks()
    keys = KeyFolder(folder, ticks)
    (folder / "sub-mchid.txt").write_text("1900000777")
    ticks.now += LOOK_EVERY_SECONDS
    assert keys.look_at_once()
    assert keys.merchant.sub_mchid == "1900000777"


def test_looking_at_once_is_limited(folder: Path) -> None:
    ticks = Ticks()
    keys = KeyFolder(folder, ticks)
    assert not keys.look_at_once()
    change_merchant_key(folder, "second")
    assert not keys.look_at_once()
    ticks.now += LOOK_AT_ONCE_EVERY_SECONDS
    assert keys.look_at_once()
    ticks.now += LOOK_AT_ONCE_EVERY_SECONDS
    assert not keys.look_at_once()


async def test_an_answer_by_a_key_that_has_just_been_put_there_is_verified(keys: Path, folder: Path) -> None:
    provider = Provider(keys)
    old = copied(keys, folder)
    (old / "wechatpay-public.pem").write_bytes(public_pem(rsa_key("before")))
    client = provider.client(KeyFolder(old, Ticks()))
    (old / "wechatpay-public.pem").write_bytes((keys / "wechatpay-public.pem").read_bytes())
    provider.script = [provider.says(200, refund_document())]
    assert (await client.query_refund(number())).status == "PROCESSING"


async def test_a_refused_signature_makes_us_look_at_our_own_key(keys: Path, folder: Path) -> None:
    provider = Provider(folder)
    client = provider.client(KeyFolder(folder, Ticks()))
    provider.check = lambda request: None  # type: ignore[method-assign]  # signed by the old key
    change_merchant_key(folder, "second")
    provider.script = [provider.refuses(401, "SIGN_ERROR"), provider.says(204)]
    with pytest.raises(Refused):
        await client.close(ORDER)
    del provider.check
    await client.close(ORDER)  # checked by the provider against the second key
    assert client.merchant.serial == "SERIAL-second"


# ── shops ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_each_shop_has_its_folder(folder: Path) -> None:
    for name in ("tea", "coffee-2", "Not A Shop"):
        (folder / "merchants" / name).mkdir(parents=True)
    with capture_logs() as logs:
        assert list(folders(folder)) == ["", "coffee-2", "tea"]
    assert [line["folder"] for line in logs] == ["Not A Shop"]


def test_an_unknown_shop_is_named(keys: Path) -> None:
    merchants = Merchants({"": Provider(keys).client()})
    assert merchants.shops == ("",)
    for shop in ("tea", "../..", "merchants"):
        with pytest.raises(UnknownShop, match=f"no merchant for shop '{shop}'"):
            merchants.of(shop)


def test_a_shop_that_was_added_is_found(keys: Path) -> None:
    ticks, asked = Ticks(), []
    provider = Provider(keys)

    def find(known: frozenset[str]) -> dict[str, object]:
        asked.append(known)
        return {"tea": provider.client(shop="tea")} if len(asked) > 1 else {}

    merchants = Merchants({"": provider.client()}, find, ticks)  # type: ignore[arg-type]
    for wait, looks in ((0.0, 0), (LOOK_FOR_SHOPS_EVERY_SECONDS, 1), (1.0, 1)):
        ticks.now += wait
        with pytest.raises(UnknownShop):
            merchants.of("tea")
        assert len(asked) == looks
    ticks.now += LOOK_FOR_SHOPS_EVERY_SECONDS
    assert merchants.of("tea").merchant.mchid == text(keys, "mchid.txt")
    assert merchants.shops == ("", "tea")


def settings(folder: Path, **more: str) -> PaymentSettings:
    return PaymentSettings.model_validate(
        {
            "http_port": 1,
            "kafka": "localhost:1",
            "mongo": "mongodb://localhost:1",
            "redis": "redis://localhost:1",
            "keys": folder,
            "callback_url": "https://shop.test",
            # Nothing listens there: the calls end at once.
            "provider_url": "http://127.0.0.1:9",
            **more,
        }
    )


async def test_all_shops_of_a_folder_are_opened(folder: Path) -> None:
    tea = copied(folder, folder / "merchants" / "tea")
    (tea / "mchid.txt").write_text("1900000999")
    async with open_merchants(settings(folder), lambda: Provider(folder).now) as merchants:
        assert merchants.shops == ("", "tea")
        assert merchants.of("tea").merchant.mchid == "1900000999"
        assert merchants.of("").merchant.mchid == text(folder, "mchid.txt")
        with pytest.raises(NoAnswer):
            await merchants.of("tea").close(ORDER)


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ({}, ("https://api.mch.weixin.qq.com", "https://api2.mch.weixin.qq.com")),
        ({"provider_url": "http://127.0.0.1:9"}, ("http://127.0.0.1:9",)),
        ({"provider_url": "http://a", "provider_url_2": "http://b"}, ("http://a", "http://b")),
        ({"provider_url": "http://a", "provider_url_2": "http://a"}, ("http://a",)),
    ],
)
def test_the_second_host_is_the_providers_own(keys: Path, given: dict[str, str], hosts: tuple[str, ...]) -> None:
    values = settings(keys).model_dump(exclude={"provider_url", "provider_url_2"})
    assert PaymentSettings.model_validate({**values, **given}).provider_hosts == hosts


@pytest.mark.parametrize("url", ["https://shop.test/x?a=1", "https://shop.test/", "ftp://shop.test"])
def test_a_callback_address_with_a_query_or_a_slash_is_refused(keys: Path, url: str) -> None:
    with pytest.raises(ValueError, match="callback_url"):
        settings(keys, callback_url=url)


async def test_a_shop_has_callback_addresses_of_its_own(keys: Path) -> None:
    provider = Provider(keys)
    answer = provider.says(200, {"prepay_id": "wx1"})
    provider.script = [answer, answer]
    await provider.client(shop="tea").prepay(ORDER, "o", fen(1), "茶")
    assert provider.body()["notify_url"] == "https://shop.test/callbacks/wechat/pay/tea"
    await provider.client().prepay(ORDER, "o", fen(1), "茶")
    assert provider.body()["notify_url"] == "https://shop.test/callbacks/wechat/pay"
