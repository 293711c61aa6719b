"""What became of a message that was accepted, for those who ask: receipts by phone number.

Tencent Cloud PullSmsSendStatusByPhoneNumber: the models of its SDK. Alibaba Cloud QuerySendDetails:
help.aliyun.com/en/sms/developer-reference (API 2017-05-25) and the models of its SDK; its times are China's.
"""

import sqlite3
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from sandbox.calls import Answer, Intent
from sandbox.clock import CHINA
from sandbox.faults import Fault
from sandbox.sms_book import NO_ERROR
from sandbox.sms_parts import AlibabaError, TencentError, alibaba_number, normal_number
from sandbox.sms_receipts import DELIVERED, china
from sandbox.world import World

DAY_SECONDS = 24 * 3600
PULL_DAYS = 7
MOST_PULLED = 100
QUERY_DAYS = 30
MOST_IN_A_PAGE = 50
WAITING, FAILED, SUCCEEDED = 1, 2, 3


class PullSendStatus(BaseModel):
    """The body of PullSmsSendStatusByPhoneNumber; times are seconds since the epoch."""

    model_config = ConfigDict(extra="forbid")
    BeginTime: int
    Offset: int
    Limit: int
    PhoneNumber: str
    SmsSdkAppId: str
    EndTime: int | None = None


def pull_intent(world: World, body: PullSendStatus) -> Intent:
    """The receipts of one number; TencentError for a parameter out of its limits."""
    now = world.clock.now()
    number = normal_number(body.PhoneNumber)
    end = now if body.EndTime is None else body.EndTime
    # The caller's clock did not jump with the business time.
    if body.BeginTime < min(now, world.clock.wall()) - PULL_DAYS * DAY_SECONDS:
        raise TencentError("InvalidParameterValue.BeginTimeVerifyFail", "参数 BeginTime 校验失败。")
    if end < body.BeginTime:
        raise TencentError("InvalidParameterValue.EndTimeVerifyFail", "参数 EndTime 校验失败。")
    if body.Offset != 0:
        raise TencentError("InvalidParameterValue.OffsetVerifyFail", "参数 Offset 校验失败。")
    if not 0 < body.Limit <= MOST_PULLED:
        raise TencentError("InvalidParameterValue.LimitVerifyFail", "参数 Limit 校验失败。")
    if body.SmsSdkAppId != world.keys.sms_templates["tencent_sdk_app_id"]:
        raise TencentError("UnauthorizedOperation.SmsSdkAppIdVerifyFail", "SmsSdkAppId 校验失败。")
    if number is None:
        raise TencentError("InvalidParameterValue.IncorrectPhoneNumber", "手机号格式错误。")

    def act(fault: Fault | None) -> Answer:
        rows = world.sms.sent_between("sms-tencent", number, body.BeginTime, end)
        reported = [row for row in rows if row["report_at"] <= world.clock.now()]
        return 200, {"PullSmsSendStatusSet": [pulled(row) for row in reported[: body.Limit]]}

    return Intent("sms-tencent-query", {"phone": number}, act)


def pulled(row: sqlite3.Row) -> dict[str, Any]:
    """One element of PullSmsSendStatusSet."""
    failed = row["err_code"] != NO_ERROR
    mainland = row["number"].startswith("+86")
    return {
        "UserReceiveTime": int(row["report_at"]),
        "CountryCode": "86" if mainland else "",
        "SubscriberNumber": row["number"].removeprefix("+86").removeprefix("+"),
        "PhoneNumber": row["number"],
        "SerialNo": row["id"],
        "ReportStatus": "FAIL" if failed else "SUCCESS",
        "Description": row["err_code"] if failed else "DELIVRD",
        "SessionContext": row["context"],
    }


def details_intent(world: World, asked: dict[str, str]) -> Intent:
    """QuerySendDetails: one page of the messages one number got on one day; AlibabaError for a wrong parameter."""
    number = alibaba_number(asked.get("PhoneNumber", ""))
    if number is None:
        raise AlibabaError(200, "isv.MOBILE_NUMBER_ILLEGAL", "非法手机号")
    begin = _day(asked.get("SendDate", ""))
    if begin < min(world.clock.now(), world.clock.wall()) - (QUERY_DAYS + 1) * DAY_SECONDS:
        raise AlibabaError(200, "isv.INVALID_PARAMETERS", "只能查询最近30天的发送记录")
    size, page = _number(asked, "PageSize"), _number(asked, "CurrentPage")
    if size > MOST_IN_A_PAGE:
        raise AlibabaError(200, "isv.INVALID_PARAMETERS", "PageSize 最大为 50")

    def act(fault: Fault | None) -> Answer:
        rows = world.sms.sent_between("sms-alibaba", number, begin, begin + DAY_SECONDS)
        if batch := asked.get("BizId"):
            rows = [row for row in rows if row["batch"] == batch]
        shown = [detail(row, world.clock.now()) for row in rows[(page - 1) * size : page * size]]
        listed = {"SmsSendDetailDTO": shown}
        return 200, {"Code": "OK", "Message": "OK", "TotalCount": len(rows), "SmsSendDetailDTOs": listed}

    return Intent("sms-alibaba-query", {"phone": number}, act)


def _day(given: str) -> float:
    try:
        return datetime.strptime(given, "%Y%m%d").replace(tzinfo=CHINA).timestamp()
    except ValueError:
        raise AlibabaError(200, "isv.INVALID_PARAMETERS", "SendDate 格式为 yyyyMMdd") from None


def _number(asked: dict[str, str], name: str) -> int:
    given = asked.get(name, "")
    if not given.isdecimal() or int(given) < 1:
        raise AlibabaError(200, "isv.INVALID_PARAMETERS", f"{name} 须为正整数")
    return int(given)


def detail(row: sqlite3.Row, now: float) -> dict[str, Any]:
    """One SmsSendDetailDTO; what the carrier has not reported yet is waiting."""
    reported = row["report_at"] <= now
    failed = row["err_code"] != NO_ERROR
    shown: dict[str, Any] = {
        "PhoneNum": row["number"].removeprefix("+86").removeprefix("+"),
        "TemplateCode": row["template"],
        "Content": row["content"],
        "OutId": row["context"],
        "SendDate": china(row["sent_at"]),
        "SendStatus": WAITING,
        "ErrCode": "",
    }
    if reported:
        shown["ReceiveDate"] = china(row["report_at"])
        shown["SendStatus"] = FAILED if failed else SUCCEEDED
        shown["ErrCode"] = row["err_code"] if failed else DELIVERED
    return shown
