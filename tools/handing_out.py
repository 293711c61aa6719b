"""`tuidan keys hand-out`: from one folder with all key files to one folder per service with what it reads."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from chassis.personal import make_first_keys
from tools.place import refuse

PERSONAL = "personal-*.key"
GATEWAY_SECRET = "gateway-secret.txt"
READ_BY: dict[str, tuple[str, ...]] = {
    "order": (PERSONAL,),
    "payment": (
        *("appid.txt", "appsecret.txt", "apiv3-key.txt", "mchid.txt", "sub-mchid.txt", "sub-appid.txt"),
        *("merchant-serial.txt", "merchant-private.pem", "merchant-public.pem"),
        *("wechatpay-public.pem", "wechatpay-serial.txt", "wechatpay-keys/*.pem"),
        *("merchants/*/*.txt", "merchants/*/*.pem", "merchants/*/wechatpay-keys/*.pem"),
    ),
    "notify": (
        *("appid.txt", "sub-appid.txt", "appsecret.txt", "templates.json", "sms-templates.json", "push-token.txt"),
        *("sms-tencent-id.txt", "sms-tencent-key.txt", "sms-alibaba-id.txt", "sms-alibaba-key.txt", PERSONAL),
    ),
    "gateway": (
        *("gateway-private.pem", GATEWAY_SECRET, "login-public.pem"),
        *("appid.txt", "sub-appid.txt", "appsecret.txt"),
    ),
}
"""Files by service, as their `settings.py` name them; inventory and analytics read none."""
PRIVATE_MODE = 0o600
SHOWN_MAX = 3
_HALF = re.compile(r"\..+\.[0-9a-f]{8}")
"""A file that was being written when that was cut off."""


def run_hand_out(folder: Path, out: Path, *, stand_in: bool) -> None:
    """Copy, and say how many files each service has now. Ends the command when a folder cannot be read or written."""
    try:
        if not stand_in:
            if not folder.is_dir():
                refuse(f"{folder} is no folder")
            if not any(True for service in READ_BY for _ in _files(service, folder)):
                # A volume that is not mounted looks like this; services that run would lose all they have.
                refuse(f"{folder} holds no key file: nothing was changed")
        if own := [out / name for name in READ_BY if _is_inside(folder, out / name)]:
            refuse(
                f"{folder} is in {own[0]}, from which all would go that this service does not read. Nothing was changed"
            )
        if strange := strangers(out):
            refuse(
                f"{', '.join(map(str, strange[:SHOWN_MAX]))}: no key file, and would be deleted. Name a folder of its "
                "own for what is handed out, or remove it yourself. Nothing was changed"
            )
        if lost := [*personal_keys_lost(folder, out), *gateway_secret_lost(folder, out)]:
            refuse(
                f"{', '.join(map(str, lost))}: not in {folder} as it is there, and what was sealed with it could never "
                f"be read again. Put it into {folder}, or remove it yourself. Nothing was changed"
            )
        if stand_in:
            from sandbox.keys import make_keys

            make_keys(folder)
            make_first_keys(folder)
        for service in READ_BY:
            print(f"{service}: {hand_out(service, folder, out / service)} files in {out / service}")
    except OSError as problem:
        refuse(f"{problem}")


def strangers(out: Path) -> list[Path]:
    """What in the services' folders was never handed out: `out` is somebody's folder for other things."""
    known = {pattern for patterns in READ_BY.values() for pattern in patterns}
    return [
        path
        for service in READ_BY
        for path in sorted((out / service).rglob("*"))
        if path.is_file() and not _HALF.fullmatch(path.name) and not any(path.match(pattern) for pattern in known)
    ]


def _is_inside(folder: Path, other: Path) -> bool:
    return folder.resolve().is_relative_to(other.resolve())


def personal_keys_lost(folder: Path, out: Path) -> list[Path]:
    """Keys of personal data in the services' folders of which these may be the last copies: `folder` has another of
    this name, or none and none newer. One that `folder` has left behind for a newer one is to go."""
    have = {path.name: path.read_bytes() for path in folder.glob(PERSONAL)}
    newest = max(map(_number, have), default=0)
    there = [path for service in READ_BY for path in sorted((out / service).glob(PERSONAL))]
    return [
        path
        for path in there
        if (have[path.name] != path.read_bytes() if path.name in have else not 0 < _number(path.name) < newest)
    ]


def gateway_secret_lost(folder: Path, out: Path) -> list[Path]:
    """The gateway's secret, where this may be its last copy: `folder` has none, or another. No newer one takes its
    place, for the phones and second factors of the staff are sealed with this one."""
    there, ours = out / "gateway" / GATEWAY_SECRET, folder / GATEWAY_SECRET
    if not there.is_file() or (ours.is_file() and ours.read_bytes() == there.read_bytes()):
        return []
    return [there]


def hand_out(service: str, folder: Path, out: Path) -> int:
    """Make `out` hold what `service` reads of `folder`, with its newest content, and no file of another; returns how
    many that are. A service that runs reads a file whole, old or new: each is put in its place in one step."""
    wanted = set(_files(service, folder))
    for name in wanted:
        content = (folder / name).read_bytes()
        target = out / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != content:
            _write(target, content)
    for stale in [path for path in out.rglob("*") if path.is_file() and path.relative_to(out) not in wanted]:
        stale.unlink()
    for left in sorted((path for path in out.rglob("*") if path.is_dir()), reverse=True):  # the inner ones first
        # An empty folder of a shop is a shop without keys, with which payment does not start.
        if not any(left.iterdir()):
            left.rmdir()
    return len(wanted)


def _files(service: str, folder: Path) -> Iterator[Path]:
    for pattern in READ_BY[service]:
        yield from (path.relative_to(folder) for path in folder.glob(pattern) if path.is_file())


def _number(name: str) -> int:
    """Of a key that seals, 0 of the one to search by."""
    number = name.removeprefix("personal-").removesuffix(".key")
    return int(number) if number.isdecimal() else 0


def _write(path: Path, content: bytes) -> None:
    half = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    half.replace(path)
