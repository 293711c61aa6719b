"""Tencent Cloud SMS by its own SDK."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from services.notify.clients import Answer, Seen, measured
from services.notify.model import Found, Result, SmsAccount, SmsTemplate

_BUSY = (
    "LimitExceeded",
    "RequestLimitExceeded",
    "ResourceInsufficient",
    "FailedOperation.InsufficientBalanceInSmsPackage",
    "UnauthorizedOperation.ServiceSuspendDueToArrears",
)


_STATUS: Mapping[str, Found] = {"SUCCESS": "delivered", "FAIL": "failed"}

CLOCKS_APART_SECONDS = 300
"""How far our clock and the provider's may be apart; it refuses signatures that are further off."""


def tencent_result(code: str) -> Result:
    """What a code of Tencent Cloud SMS means, beside a number or for the whole request
    (cloud.tencent.com/document/api/382/55981)."""
    if code == "Ok":
        return "sent"
    if code.startswith(_BUSY):
        return "busy"
    return "unknown" if code.startswith(("InternalError", "ServerNetworkError")) else "refused"


class TencentSms:
    """Tencent Cloud SMS by its own SDK."""

    def __init__(
        self, key_id: str, key: str, account: SmsAccount, http: httpx.AsyncClient, *, url: str = "", region: str
    ) -> None:
        # The SDK is loaded here, not with this file: it takes a third of a second.
        from tencentcloud.common.credential import Credential
        from tencentcloud.common.profile.client_profile import ClientProfile
        from tencentcloud.common.profile.http_profile import HttpProfile
        from tencentcloud.sms.v20210111.sms_client_async import SmsClient

        place = urlsplit(url)
        profile = ClientProfile(
            httpProfile=HttpProfile(protocol=place.scheme or "https", endpoint=place.netloc or None)
        )
        self._client: Any = SmsClient(Credential(key_id, key), region, profile)
        self._client.http_client = http
        self._account = account

    @measured("sms-tencent", "send")
    async def send(self, phone: str, template: SmsTemplate, values: Mapping[str, str], mark: str) -> Answer:
        """`SendSms` to one E.164 number. `mark` is its SessionContext (under 512 bytes)."""
        from tencentcloud.common.exception import TencentCloudSDKException
        from tencentcloud.sms.v20210111.models import SendSmsRequest

        request = SendSmsRequest()
        request.PhoneNumberSet = [phone]
        request.SmsSdkAppId = self._account.tencent_sdk_app_id
        request.SignName = self._account.sign_name
        request.TemplateId = template.tencent_template_id
        request.TemplateParamSet = [values[name] for name in template.params]
        request.SessionContext = mark
        try:
            answer = await self._client.SendSms(request)
        except TencentCloudSDKException as problem:
            return Answer(tencent_result(problem.code), problem.code)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as problem:
            return Answer("unreached", type(problem).__name__)
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as problem:
            return Answer("unknown", type(problem).__name__)
        if not answer.SendStatusSet:
            return Answer("unknown", "no-status")
        code = str(answer.SendStatusSet[0].Code)
        return Answer(tencent_result(code), "" if code == "Ok" else code)

    @measured("sms-tencent", "find")
    async def find(self, phone: str, mark: str, since: datetime, until: datetime) -> Seen:
        """What became of the message with `mark`, by `PullSmsSendStatusByPhoneNumber` (at most seven days back; lists
        what the operators have reported, so a message still on its way is absent). An account that was
        not given SessionContext sees every message as absent (tencentcloud-sdk-python-sms, `PullSmsSendStatus`)."""
        from tencentcloud.common.exception import TencentCloudSDKException
        from tencentcloud.sms.v20210111.models import PullSmsSendStatusByPhoneNumberRequest

        request = PullSmsSendStatusByPhoneNumberRequest()
        request.PhoneNumber = phone
        request.SmsSdkAppId = self._account.tencent_sdk_app_id
        request.BeginTime = int(since.timestamp()) - CLOCKS_APART_SECONDS
        request.EndTime = int(until.timestamp()) + CLOCKS_APART_SECONDS
        request.Offset = 0
        request.Limit = 100
        try:
            answer = await self._client.PullSmsSendStatusByPhoneNumber(request)
        except TencentCloudSDKException as problem:
            return Seen("no-answer", problem.code)
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as problem:
            return Seen("no-answer", type(problem).__name__)
        for row in answer.PullSmsSendStatusSet or ():
            if row.SessionContext == mark:
                return Seen(_STATUS.get(row.ReportStatus, "accepted"), str(row.Description or ""))
        return Seen("absent")
