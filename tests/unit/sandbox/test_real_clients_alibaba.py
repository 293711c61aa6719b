"""Alibaba Cloud's own SDK against the stand-in: sending, receipts asked for and pushed, and each class of errors."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from alibabacloud_dysmsapi20170525.models import QuerySendDetailsRequest
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils import Utils
from fastapi import FastAPI, Request, Response

from sandbox.app import advance as let_pass
from sandbox.app import close, create_app, world_of
from sandbox.clock import CHINA
from sandbox.faults import Rule
from sandbox.settings import SandboxSettings
from sandbox.sms_alibaba import send
from sandbox.sms_parts import AlibabaError
from tests.unit.sandbox.server import served
from tests.unit.sandbox.shop import text
from tests.unit.sandbox.sms import VALUES, advance, alibaba, alibaba_request, control, get

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def address(keys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(keys) as address:
        yield address


def test_alibaba_sends(address: str, keys: Path) -> None:
    body = alibaba(address, keys).send_sms(alibaba_request(keys, "13800138000,+8613900139000,85291234567")).body
    assert (body.code, body.message) == ("OK", "OK")
    assert body.biz_id
    lines = get(address, "/_ledger/messages")["lines"]
    assert [(line["channel"], line["to"]) for line in lines] == [
        ("sms-alibaba", "+8613800138000"),
        ("sms-alibaba", "+8613900139000"),
        ("sms-alibaba", "+85291234567"),
    ]
    assert lines[0]["values"] == dict(zip(("order", "amount", "note"), VALUES, strict=True))


@pytest.mark.parametrize(
    ("numbers", "change", "code"),
    [
        ("123", {}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ("+85291234567", {}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ("1380013800", {}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ("13700137000", {}, "isv.BLACK_KEY_CONTROL_LIMIT"),
        ("13800138000", {"sign": "别家"}, "isv.SMS_SIGNATURE_ILLEGAL"),
        ("13800138000", {"template": "SMS_1"}, "isv.SMS_TEMPLATE_ILLEGAL"),
        ("13800138000", {"values": "{}"}, "isv.TEMPLATE_MISSING_PARAMETERS"),
        ("13800138000", {"values": "[]"}, "isv.INVALID_JSON_PARAM"),
        ("13800138000", {"values": "{"}, "isv.INVALID_JSON_PARAM"),
    ],
)
def test_alibaba_refuses_a_message(address: str, keys: Path, numbers: str, change: dict[str, Any], code: str) -> None:
    httpx.put(f"http://{address}/_control/sms/blacklist", json={"numbers": ["13700137000"]}).raise_for_status()
    assert alibaba(address, keys).send_sms(alibaba_request(keys, numbers, **change)).body.code == code
    assert get(address, "/_ledger/summary")["messages"] == {}


def test_alibaba_refuses_a_wrong_key(address: str, keys: Path) -> None:
    with pytest.raises(ClientException) as refused:
        alibaba(address, keys, key="wrong").send_sms(alibaba_request(keys, "13800138000"))
    assert refused.value.code == "SignatureDoesNotMatch"


def test_alibaba_refuses_a_body_that_was_not_signed(address: str, keys: Path) -> None:
    headers = {
        "host": address,
        "x-acs-action": "SendSms",
        "x-acs-version": "2017-05-25",
        "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    }
    request = SimpleNamespace(method="POST", pathname="/", query={}, headers=headers)
    headers["authorization"] = Utils.get_authorization(
        request,
        "ACS3-HMAC-SHA256",
        headers["x-acs-content-sha256"],
        text(keys, "sms-alibaba-id.txt"),
        text(keys, "sms-alibaba-key.txt"),
    )
    asked = alibaba_request(keys, "13800138000").to_map()
    assert httpx.post(f"http://{address}/", headers=headers).json()["Code"] == "isv.SMS_SIGNATURE_ILLEGAL"
    assert httpx.post(f"http://{address}/", headers=headers, data=asked).json()["Code"] == "SignatureDoesNotMatch"
    assert httpx.post(f"http://{address}/", headers=headers, params=asked).json()["Code"] == "SignatureDoesNotMatch"


def test_alibaba_fails_on_demand(address: str, keys: Path) -> None:
    fault = {"kind": "error-before", "code": "isv.BUSINESS_LIMIT_CONTROL"}
    rule = {"call": "sms-alibaba", "nth": 1, "fault": fault}
    httpx.post(f"http://{address}/_control/faults/rules", json=[rule]).raise_for_status()
    client, request = alibaba(address, keys), alibaba_request(keys, "13800138000")
    assert client.send_sms(request).body.code == "isv.BUSINESS_LIMIT_CONTROL"
    assert client.send_sms(request).body.code == "OK"


def code(address: str, keys: Path, numbers: str = "13800138000", **change: Any) -> str:
    return str(alibaba(address, keys).send_sms(alibaba_request(keys, numbers, **change)).body.code)


def verification(keys: Path) -> dict[str, str]:
    known = json.loads(text(keys, "sms-templates.json"))["templates"]["verification-code"]
    return {"template": known["alibaba_template_code"], "values": json.dumps({"code": "123456", "minutes": "5"})}


def test_how_many_verification_codes_one_number_gets(address: str, keys: Path) -> None:
    change = verification(keys)

    def turn(seconds: float) -> str:
        advance(address, seconds)
        return code(address, keys, **change)

    limited = "isv.BUSINESS_LIMIT_CONTROL"
    assert [turn(0), turn(10)] == ["OK", limited]
    assert [turn(61) for _ in range(5)] == ["OK"] * 4 + [limited]
    assert code(address, keys, "13900139000", **change) == "OK"
    assert code(address, keys) == "OK"
    assert [turn(3601), *[turn(61) for _ in range(4)]] == ["OK"] * 5
    assert turn(3601) == limited
    assert turn(24 * 3600) == "OK"


async def test_how_many_notices_one_number_gets(keys: Path) -> None:
    app = create_app(SandboxSettings(keys_dir=keys))
    world = world_of(app)
    # What the SDK sends; fifty-one real calls would add nothing to this.
    asked = alibaba_request(keys, "13800138000").to_map()
    for _ in range(50):
        assert send(world, asked)["Code"] == "OK"
    with pytest.raises(AlibabaError) as refused:
        send(world, asked)
    assert refused.value.code == "isv.BUSINESS_LIMIT_CONTROL"
    assert send(world, asked | {"PhoneNumbers": "13900139000"})["Code"] == "OK"
    await let_pass(app, 24 * 3600)
    assert send(world, asked)["Code"] == "OK"
    await close(app)


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ({"balance": 0}, "isv.AMOUNT_NOT_ENOUGH"),
        ({"arrears": True}, "isv.OUT_OF_SERVICE"),
        ({"daily_limit": 0}, "isv.DAY_LIMIT_CONTROL"),
        ({"monthly_limit": 0}, "isv.MONTH_LIMIT_CONTROL"),
        ({"sensitive_words": ["工作日"]}, "isv.SMS_CONTENT_ILLEGAL"),
        ({"parameter_limit": 6}, "isv.PARAM_LENGTH_LIMIT"),
    ],
)
def test_what_the_account_does_not_send(address: str, keys: Path, account: dict[str, Any], expected: str) -> None:
    control(address, "PUT", "/sms", {"alibaba": account})
    assert code(address, keys) == expected
    assert get(address, "/_ledger/summary")["messages"] == {}
    control(address, "PUT", "/sms", {"tencent": {"balance": 5}})
    assert code(address, keys) == expected
    control(address, "PUT", "/sms", {"alibaba": {}})
    assert code(address, keys) == "OK"


@pytest.mark.parametrize("expected", ["isp.RAM_PERMISSION_DENY", "isv.DENY_IP_RANGE", "isp.SYSTEM_ERROR"])
def test_any_code_on_demand(address: str, keys: Path, expected: str) -> None:
    fault = {"kind": "error-before", "code": expected}
    control(address, "POST", "/faults/rules", [{"call": "sms-alibaba", "times": 1, "fault": fault}])
    assert [code(address, keys), code(address, keys)] == [expected, "OK"]


def details(address: str, keys: Path, **change: Any) -> Any:
    asked = {
        "phone_number": "13800138000",
        "send_date": datetime.now(CHINA).strftime("%Y%m%d"),
        "page_size": 10,
        "current_page": 1,
    }
    return alibaba(address, keys).query_send_details(QuerySendDetailsRequest(**asked | change)).body


def test_alibaba_says_what_became_of_a_message(address: str, keys: Path) -> None:
    control(address, "PUT", "/sms/undeliverable", {"numbers": ["13900139000"], "err_code": "MK:0001"})
    sent = alibaba(address, keys).send_sms(alibaba_request(keys, "13800138000,13900139000")).body
    found = details(address, keys)
    assert (found.code, str(found.total_count)) == ("OK", "1")
    (arrived,) = found.sms_send_detail_dtos.sms_send_detail_dto
    assert (arrived.send_status, arrived.err_code, arrived.out_id) == (3, "DELIVERED", "case-1")
    assert (arrived.phone_num, bool(arrived.receive_date)) == ("13800138000", True)
    (failed,) = details(address, keys, phone_number="13900139000").sms_send_detail_dtos.sms_send_detail_dto
    assert (failed.send_status, failed.err_code) == (2, "MK:0001")
    assert str(details(address, keys, biz_id=sent.biz_id).total_count) == "1"
    assert str(details(address, keys, biz_id="another").total_count) == "0"


def test_pages_of_messages(address: str, keys: Path) -> None:
    for _ in range(3):
        assert code(address, keys) == "OK"
    assert str(details(address, keys, page_size=2).total_count) == "3"
    rows = [details(address, keys, page_size=2, current_page=page).sms_send_detail_dtos for page in (1, 2, 3)]
    assert [len(page.sms_send_detail_dto) for page in rows] == [2, 1, 0]


def test_a_message_that_is_not_reported_yet(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(keys, sms_report_seconds=3600) as address:
        assert code(address, keys) == "OK"
        (waiting,) = details(address, keys).sms_send_detail_dtos.sms_send_detail_dto
        assert (waiting.send_status, waiting.receive_date) == (1, None)
        advance(address, 3601)
        (arrived,) = details(address, keys).sms_send_detail_dtos.sms_send_detail_dto
        assert arrived.send_status == 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"page_size": 51}, "isv.INVALID_PARAMETERS"),
        ({"current_page": 0}, "isv.INVALID_PARAMETERS"),
        ({"send_date": "20200101"}, "isv.INVALID_PARAMETERS"),
        ({"send_date": "today"}, "isv.INVALID_PARAMETERS"),
        ({"phone_number": "123"}, "isv.MOBILE_NUMBER_ILLEGAL"),
    ],
)
def test_details_that_cannot_be_asked_for(address: str, keys: Path, change: dict[str, Any], expected: str) -> None:
    assert details(address, keys, **change).code == expected


class ReceiptServer:
    """The shop's side of receipts; answers with `answers` in turn."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.heard: list[list[dict[str, Any]]] = []

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/receipts")
        async def hear(request: Request) -> Response:
            self.heard.append(await request.json())
            return Response(json.dumps(self.answers.pop(0) if self.answers else {"code": 0, "msg": "成功"}))

        return app


@pytest.mark.parametrize(
    ("answers", "fault", "times"),
    [
        ([], None, 1),
        ([{"code": 1}, {"code": 0}], None, 2),
        ([{"code": 1}] * 9, None, 4),
        ([], "callback-doubled", 2),
        ([], "callback-lost", 0),
    ],
)
async def test_receipts_are_pushed(keys: Path, answers: list[dict[str, Any]], fault: str | None, times: int) -> None:
    server = ReceiptServer()
    server.answers = answers
    deliveries = httpx.AsyncClient(transport=httpx.ASGITransport(server.app()))
    settings = SandboxSettings(keys_dir=keys, sms_receipt_url="http://shop/receipts", sms_report_seconds=5)
    app = create_app(settings, callback_client=deliveries)
    world = world_of(app)
    world.sms.set_undeliverable({"+8613900139000": "MK:0001"})
    if fault is not None:
        rule = {"call": "sms-receipt", "match": {"phone": "+8613800138000"}, "fault": {"kind": fault}}
        world.faults.add_rules([Rule.model_validate(rule)])
    sent = send(world, alibaba_request(keys, "13800138000,13900139000").to_map())
    await let_pass(app, 4)
    assert server.heard == []
    await let_pass(app, 3600)
    assert len(server.heard) == times
    for heard in server.heard:
        assert [(one["phone_number"], one["success"], one["err_code"]) for one in heard] == [
            ("13800138000", True, "DELIVERED"),
            ("13900139000", False, "MK:0001"),
        ]
        assert {(one["biz_id"], one["out_id"]) for one in heard} == {(sent["BizId"], "case-1")}
    await close(app)
    await deliveries.aclose()
