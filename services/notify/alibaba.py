"""Alibaba Cloud SMS by its own SDK, which is built on aiohttp."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from contracts.zone import CHINA
from services.notify.clients import Answer, Seen, measured
from services.notify.model import Found, Result, SmsAccount, SmsTemplate

_BUSY = (
    "isv.BUSINESS_LIMIT_CONTROL",
    "isv.DAY_LIMIT_CONTROL",
    "isv.MONTH_LIMIT_CONTROL",
    "isv.OUT_OF_SERVICE",
    "isv.AMOUNT_NOT_ENOUGH",
    "Throttling",
)
_UNKNOWN = ("isp.SYSTEM_ERROR", "SYSTEM_ERROR", "ServiceUnavailable", "InternalError", "None")


_STATUS: Mapping[int, Found] = {1: "accepted", 2: "failed", 3: "delivered"}
"""SendStatus: waiting for the receipt, failed, delivered
(help.aliyun.com/en/sms/developer-reference/api-dysmsapi-2017-05-25-querysenddetails)."""

PAGE = 50
PAGES_MAX = 10


def alibaba_result(code: str) -> Result:
    """What a code of Alibaba Cloud SMS means
    (help.aliyun.com/en/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms)."""
    if code == "OK":
        return "sent"
    if code.startswith(_BUSY):
        return "busy"
    return "unknown" if code.startswith(_UNKNOWN) else "refused"


class AlibabaSms:
    """Alibaba Cloud SMS by its own SDK, which is built on aiohttp."""

    def __init__(self, key_id: str, key: str, account: SmsAccount, *, url: str = "", seconds: float) -> None:
        from alibabacloud_dysmsapi20170525.client import Client
        from alibabacloud_tea_openapi.utils_models import Config

        place = urlsplit(url)
        milliseconds = int(seconds * 1000)
        config = Config(
            access_key_id=key_id,
            access_key_secret=key,
            endpoint=place.netloc or "dysmsapi.aliyuncs.com",
            protocol=place.scheme or "https",
            connect_timeout=milliseconds,
            read_timeout=milliseconds,
        )
        self._client: Any = Client(config)
        self._account = account

    @measured("sms-alibaba", "send")
    async def send(self, phone: str, template: SmsTemplate, values: Mapping[str, str], mark: str) -> Answer:
        """`SendSms` to one E.164 number. `mark` is its OutId."""
        from alibabacloud_dysmsapi20170525.models import SendSmsRequest
        from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
        from darabonba.runtime import RuntimeOptions  # type: ignore[import-untyped]

        request = SendSmsRequest(
            phone_numbers=_number(phone),
            sign_name=self._account.sign_name,
            template_code=template.alibaba_template_code,
            template_param=json.dumps({name: values[name] for name in template.params}, ensure_ascii=False),
            out_id=mark,
        )
        try:
            answer = await self._client.send_sms_with_options_async(request, RuntimeOptions(autoretry=False))
        except AlibabaCloudException as problem:
            code = str(problem.code)
            server = (problem.status_code or 500) >= 500
            return Answer("unknown" if server else alibaba_result(code), code)
        except Exception as problem:  # why: the SDK wraps whatever its transport raises in types without a common base
            return Answer("unreached" if _never_left(problem) else "unknown", type(_innermost(problem)).__name__)
        code = str(answer.body.code) if answer.body else "None"
        return Answer(alibaba_result(code), "" if code == "OK" else code)

    @measured("sms-alibaba", "find")
    async def find(self, phone: str, mark: str, since: datetime, until: datetime) -> Seen:
        """What became of the message with `mark`, sent to `phone` (E.164) in that time, by `QuerySendDetails`, which
        lists the messages of one number and one day in China (at most 30 days back)."""
        try:
            for day in _days(since, until):
                for page in range(1, PAGES_MAX + 1):
                    rows = await self._details(_number(phone), day, page)
                    for row in rows:
                        if row.out_id == mark:
                            return Seen(_STATUS.get(row.send_status, "accepted"), str(row.err_code or ""))
                    if len(rows) < PAGE:
                        break
        except Exception as problem:  # why: the SDK raises what has no common base; whatever it is, nothing was seen
            return Seen("no-answer", str(getattr(problem, "code", None) or type(_innermost(problem)).__name__))
        return Seen("absent")

    async def _details(self, phone: str, day: str, page: int) -> list[Any]:
        """One page of rows. Raises LookupError for an answer that is not OK, and whatever the SDK raises."""
        from alibabacloud_dysmsapi20170525.models import QuerySendDetailsRequest
        from darabonba.runtime import RuntimeOptions

        request = QuerySendDetailsRequest(phone_number=phone, send_date=day, page_size=PAGE, current_page=page)
        answer = await self._client.query_send_details_with_options_async(request, RuntimeOptions(autoretry=False))
        if answer.body is None or answer.body.code != "OK":
            raise LookupError("no list in the answer")
        found = answer.body.sms_send_detail_dtos
        return list(found.sms_send_detail_dto or []) if found else []


def _number(phone: str) -> str:
    """An E.164 number as this provider takes it: of the mainland bare, of elsewhere behind its country's code
    (help.aliyun.com/en/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms, PhoneNumbers)."""
    return phone.removeprefix("+86").removeprefix("+")


def _days(since: datetime, until: datetime) -> Iterable[str]:
    """Every day in China from `since` to `until`, `yyyyMMdd`, the last first; at most three."""
    last, first = until.astimezone(CHINA).date(), since.astimezone(CHINA).date()
    return [f"{last - timedelta(days=back):%Y%m%d}" for back in range(min((last - first).days, 2) + 1)]


def _chain(problem: BaseException) -> list[BaseException]:
    """An error and what it hides, outermost first."""
    found: list[BaseException] = []
    one: BaseException | None = problem
    while one is not None and one not in found:
        found.append(one)
        one = getattr(one, "inner_exception", None) or one.__cause__ or one.__context__
    return found


def _innermost(problem: BaseException) -> BaseException:
    return _chain(problem)[-1]


def _never_left(problem: BaseException) -> bool:
    from aiohttp import ClientConnectorError, ConnectionTimeoutError

    return any(isinstance(one, ClientConnectorError | ConnectionTimeoutError) for one in _chain(problem))
