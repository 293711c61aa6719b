"""How many messages one number gets, and what an account may send: the providers' flow control.

Tencent Cloud: cloud.tencent.com/document/api/382/55981 names the codes; the console sets the numbers (``Account``).
Alibaba Cloud: help.aliyun.com/document_detail/2881383.html, counted when a message is submitted.
"""

from sandbox.call_counts import CHINA_AHEAD_SECONDS, DAY_SECONDS
from sandbox.sms_book import Account, SmsBook, content_of
from sandbox.sms_parts import Problem

MINUTE_SECONDS = 60
HOUR_SECONDS = 3600
MONTH_SECONDS = 30 * DAY_SECONDS
# Verification codes to one number with one signature, and in all.
CODES = ((MINUTE_SECONDS, 1, "分钟"), (HOUR_SECONDS, 5, "小时"), (DAY_SECONDS, 10, "天"))
NOTICES_A_DAY = 50
URL_MARKS = ("http://", "https://", "www.")


def today(now: float) -> float:
    """When the day began in China."""
    return now - (now + CHINA_AHEAD_SECONDS) % DAY_SECONDS


def tencent_account_problem(account: Account, book: SmsBook, values: dict[str, str]) -> Problem | None:
    """Why the account sends nothing with these values now: code and words, or None."""
    text = "".join(values.values())
    if account.arrears:
        return "UnauthorizedOperation.ServiceSuspendDueToArrears", "欠费被停止服务"
    if account.balance == 0:
        return "FailedOperation.InsufficientBalanceInSmsPackage", "套餐包余量不足"
    if any(word in text for word in account.sensitive_words):
        return "FailedOperation.ContainSensitiveWord", "短信内容中含有敏感词"
    if any(mark in text.lower() for mark in URL_MARKS):
        return "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter", "禁止在模板变量中使用 URL"
    longest = account.parameter_limit
    if longest is not None and any(len(value) > longest for value in values.values()):
        return "InvalidParameterValue.TemplateParameterLengthLimit", "单个模板变量字符数超过规定的限制数"
    if account.daily_limit is not None and book.count("sms-tencent", today(book.now())) >= account.daily_limit:
        return "LimitExceeded.AppDailyLimit", "业务短信日下发条数超过设定的上限"
    return None


def tencent_number_problem(
    account: Account, book: SmsBook, number: str, template_id: str, values: dict[str, str]
) -> Problem | None:
    """Why this number gets no more now: code and words, or None."""
    if not book.limited:
        return None
    now = book.now()
    rules = (
        (now - 30, account.number_per_thirty_seconds, "ThirtySecondLimit", "30秒内"),
        (now - HOUR_SECONDS, account.number_per_hour, "OneHourLimit", "1小时内"),
        (today(now), account.number_per_day, "DailyLimit", "日"),
    )
    for since, most, code, words in rules:
        if book.count("sms-tencent", since, number=number) >= most:
            return f"LimitExceeded.PhoneNumber{code}", f"单个手机号{words}下发短信条数超过设定的上限"
    same = {"number": number, "template": template_id, "content": content_of(values)}
    if book.count("sms-tencent", today(now), **same) >= account.same_content_per_day:
        return "LimitExceeded.PhoneNumberSameContentDailyLimit", "单个手机号下发相同内容超过设定的上限"
    return None


def alibaba_account_problem(account: Account, book: SmsBook, values: dict[str, str]) -> Problem | None:
    """Why the account sends nothing with these values now: code and words, or None."""
    text = "".join(values.values())
    now = book.now()
    if account.arrears:
        return "isv.OUT_OF_SERVICE", "业务停机"
    if account.balance == 0:
        return "isv.AMOUNT_NOT_ENOUGH", "账户余额不足"
    if any(word in text for word in account.sensitive_words):
        return "isv.SMS_CONTENT_ILLEGAL", "短信内容包含禁止发送内容"
    longest = account.parameter_limit
    if longest is not None and any(len(value) > longest for value in values.values()):
        return "isv.PARAM_LENGTH_LIMIT", "参数超出长度限制"
    if account.daily_limit is not None and book.count("sms-alibaba", today(now)) >= account.daily_limit:
        return "isv.DAY_LIMIT_CONTROL", "触发日发送限额"
    if account.monthly_limit is not None and book.count("sms-alibaba", now - MONTH_SECONDS) >= account.monthly_limit:
        return "isv.MONTH_LIMIT_CONTROL", "触发月发送限额"
    return None


def alibaba_number_problem(book: SmsBook, number: str, template_id: str, *, is_code: bool) -> Problem | None:
    """Why this number gets no more now: code and words, or None. The account has one signature only."""
    if not book.limited:
        return None
    now = book.now()
    if is_code:
        for seconds, most, words in CODES:
            if book.count("sms-alibaba", now - seconds, number=number, is_code=1) >= most:
                return "isv.BUSINESS_LIMIT_CONTROL", f"触发{words}级流控Permits:{most}"
        return None
    if book.count("sms-alibaba", today(now), number=number, template=template_id) >= NOTICES_A_DAY:
        return "isv.BUSINESS_LIMIT_CONTROL", f"触发天级流控Permits:{NOTICES_A_DAY}"
    return None
