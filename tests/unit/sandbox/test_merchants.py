"""Several merchants: each with its own keys, its own payments, and its own callbacks."""

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.__main__ import parser
from sandbox.app import close, create_app, settle
from sandbox.keyfiles import MissingKeysError
from sandbox.keys import load_keys, make_keys
from sandbox.settings import SandboxSettings
from tests.unit.sandbox.shop import BASE, OPENID, Receiver, Shop, strangers_client, text

Two = tuple[Shop, Shop]


@pytest.fixture
async def two(keys: Path) -> AsyncIterator[Two]:
    """The first merchant and the one called tea, with one stand-in; each hears its own callbacks."""
    folders = {"shop": keys, "tea": keys / "merchants" / "tea"}
    receivers = {name: Receiver(strangers_client(folder)) for name, folder in folders.items()}
    mounts = {f"all://{name}": httpx.ASGITransport(receiver.app()) for name, receiver in receivers.items()}
    deliveries = httpx.AsyncClient(mounts=mounts)
    app = create_app(SandboxSettings(keys_dir=keys), callback_client=deliveries)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)
    shops = []
    for name, receiver in receivers.items():
        receiver.pay._core._gate_way = BASE
        receiver.pay._core._client = http
        receiver.pay._notify_url = f"http://{name}/callbacks/wechat"
        shops.append(Shop(app, folders[name], receiver.pay, http, receiver))
    yield shops[0], shops[1]
    await close(app)
    await deliveries.aclose()
    await http.aclose()


def test_each_merchant_has_files_of_its_own(tmp_path: Path) -> None:
    make_keys(tmp_path, merchants=("tea", "rice"))
    own = ("mchid.txt", "appid.txt", "merchant-serial.txt", "merchant-private.pem", "apiv3-key.txt")
    folders = (tmp_path, tmp_path / "merchants" / "tea", tmp_path / "merchants" / "rice")
    for name in own:
        assert len({text(folder, name) for folder in folders}) == 3, name
    for name in ("wechatpay-public.pem", "wechatpay-serial.txt"):
        assert len({text(folder, name) for folder in folders}) == 1, name
    assert stat.S_IMODE((folders[1] / "merchant-private.pem").stat().st_mode) == 0o600
    before = text(folders[1], "merchant-private.pem")
    make_keys(tmp_path, merchants=("tea",))
    assert text(folders[1], "merchant-private.pem") == before
    assert list(load_keys(tmp_path).merchants) == [text(folder, "mchid.txt") for folder in sorted(folders)]


def test_sub_merchants_are_listed_once(tmp_path: Path) -> None:
    make_keys(tmp_path, sub_mchids=("1900008888", "1900009999"))
    make_keys(tmp_path, sub_mchids=("1900009999", "1900007777"))
    assert text(tmp_path, "sub-mchids.txt").split() == ["1900008888", "1900009999", "1900007777"]


@pytest.mark.parametrize("wrong", [{"merchants": ("../tea",)}, {"sub_mchids": ("tea",)}])
def test_what_is_no_name_or_number_is_refused(tmp_path: Path, wrong: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="merchant"):
        make_keys(tmp_path, **wrong)


def test_an_incomplete_merchant_says_what_is_missing(tmp_path: Path) -> None:
    make_keys(tmp_path, merchants=("tea",))
    (tmp_path / "merchants" / "tea" / "appid.txt").unlink()
    with pytest.raises(MissingKeysError, match=r"appid\.txt"):
        load_keys(tmp_path)


def test_the_command_names_merchants() -> None:
    words = ["keys", "here", "--merchant", "tea", "--merchant", "rice", "--sub-mchid", "1900008888"]
    asked = parser().parse_args(words)
    assert (asked.merchant, asked.sub_mchid) == (["tea", "rice"], ["1900008888"])


async def test_one_number_of_two_merchants_is_two_payments(two: Two) -> None:
    shop, tea = two
    await shop.prepay("order-0001", 100)
    await tea.prepay("order-0001", 700)
    for merchant in two:
        mchid = text(merchant.keys, "mchid.txt")
        await merchant.http.post("/_customer/pay", json={"out_trade_no": "order-0001", "mchid": mchid})
    assert (await shop.refund("refund-1", "order-0001", 30, 100))[0] == 200
    assert (await tea.refund("refund-1", "order-0001", 70, 700))[0] == 200
    await settle(shop.app)
    for merchant, total, refunded in ((shop, 100, 30), (tea, 700, 70)):
        mchid = text(merchant.keys, "mchid.txt")
        code, trade = await merchant.trade_state("order-0001")
        assert (code, trade["mchid"], trade["amount"]["total"]) == (200, mchid, total)
        assert (await merchant.refund_state("refund-1"))[1]["amount"]["refund"] == refunded
        # The receiver opened them: they were encrypted with this merchant's own key.
        assert [heard["resource"]["mchid"] for heard in merchant.receiver.heard] == [mchid, mchid]
        assert merchant.receiver.heard[1]["resource"]["amount"]["refund"] == refunded
    assert (await shop.get("/_ledger/check")) == {"ok": True, "violations": []}


async def test_a_merchant_sees_only_its_own(two: Two) -> None:
    shop, tea = two
    await shop.paid("order-0001")
    await shop.refund("refund-1", "order-0001", 30)
    _, trade = await shop.trade_state("order-0001")
    assert (await tea.trade_state("order-0001"))[0] == 404
    code, body = await tea.pay.query(transaction_id=trade["transaction_id"])
    assert (code, json.loads(body)["code"]) == (404, "ORDER_NOT_EXIST")
    assert (await tea.refund_state("refund-1"))[0] == 404
    assert (await tea.refund("refund-2", "order-0001", 30))[1]["code"] == "RESOURCE_NOT_EXISTS"
    assert (await tea.pay.close("order-0001"))[0] == 404


async def test_nobody_speaks_for_another_merchant(two: Two) -> None:
    shop, tea = two
    others = text(tea.keys, "mchid.txt")
    code, body = await shop.pay.query(out_trade_no="order-0001", mchid=others)
    assert (code, json.loads(body)["code"]) == (403, "NO_AUTH")
    code, body = await shop.pay.close("order-0001", mchid=others)
    assert (code, json.loads(body)["code"]) == (403, "NO_AUTH")
    code, answer = await shop.prepay("order-0001", mchid=others, appid=text(tea.keys, "appid.txt"))
    assert (code, answer["code"]) == (403, "NO_AUTH")
    code, answer = await tea.prepay("order-0001", appid=text(shop.keys, "appid.txt"))
    assert (code, answer["code"]) == (400, "APPID_MCHID_NOT_MATCH")


async def test_a_known_merchant_with_another_merchants_key_is_refused(two: Two, keys: Path) -> None:
    shop, tea = two
    shop.pay._core._mchid = text(tea.keys, "mchid.txt")
    shop.pay._core._cert_serial_no = text(tea.keys, "merchant-serial.txt")
    assert (await shop.refund_state("refund-1"))[1]["code"] == "SIGN_ERROR"


async def test_a_rule_can_name_the_merchant(two: Two) -> None:
    shop, tea = two
    rule = {"call": "refund-query", "match": {"mchid": text(tea.keys, "mchid.txt")}, "fault": {"kind": "error-before"}}
    await shop.control("POST", "/faults/rules", [rule])
    assert ((await shop.refund_state("refund-1"))[0], (await tea.refund_state("refund-1"))[0]) == (404, 500)


async def test_the_customer_pays_by_prepay_id_whoever_the_merchant_is(two: Two) -> None:
    _, tea = two
    _, answer = await tea.prepay("order-0001")
    paid = (await tea.http.post("/_customer/pay", json={"prepay_id": answer["prepay_id"]})).json()
    assert (paid["mchid"], paid["payer"]) == (text(tea.keys, "mchid.txt"), {"openid": OPENID})
