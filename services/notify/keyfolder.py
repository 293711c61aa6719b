"""The files of the keys folder that notify sends with, and whether they can be used."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from chassis.miniprogram import appid_file
from chassis.settings import read_key
from services.notify.model import SmsAccount, WechatTemplate

PLAIN_FILES = (
    "appsecret.txt",
    *("sms-tencent-id.txt", "sms-tencent-key.txt", "sms-alibaba-id.txt", "sms-alibaba-key.txt"),
)
WECHAT_TEMPLATES, SMS_TEMPLATES = "templates.json", "sms-templates.json"


def wechat_templates(keys: Path) -> dict[str, WechatTemplate]:
    """`templates.json` of the keys folder, by outcome."""
    return TypeAdapter(dict[str, WechatTemplate]).validate_json(read_key(keys, WECHAT_TEMPLATES))


def sms_account(keys: Path) -> SmsAccount:
    """`sms-templates.json` of the keys folder."""
    return SmsAccount.model_validate_json(read_key(keys, SMS_TEMPLATES))


def push_token(keys: Path) -> str:
    """`push-token.txt` of the keys folder, which WeChat signs its pushes with; empty when the shop takes none."""
    return read_key(keys, "push-token.txt") if (keys / "push-token.txt").exists() else ""


def expect_keys(keys: Path) -> None:
    """Leave the process with exit code 2 and the file's name unless every file can be read, and both lists of templates
    have the form that they need. Before the service runs: what leaves it then ends in a trace and another code."""
    for name in (appid_file(keys), *PLAIN_FILES):
        read_key(keys, name)
    for name, read in ((WECHAT_TEMPLATES, wechat_templates), (SMS_TEMPLATES, sms_account)):
        try:
            read(keys)
        except ValidationError as problem:
            wrong = problem.errors(include_input=False, include_url=False)[0]
            place = "".join(f"{part}: " for part in wrong["loc"])
            sys.stderr.write(f"TUIDAN_KEYS: {name}: {place}{wrong['msg']}\n")
            raise SystemExit(2) from problem
