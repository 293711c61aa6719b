"""The merchants this WeChat Pay knows: who may call, with which key, and for which sub-merchants."""

import re
import string
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import Request

from sandbox.keyfiles import (
    ALPHANUMERIC,
    PRIVATE_MODE,
    PUBLIC_MODE,
    pick,
    read_rsa_public,
    read_text,
    rsa_2048,
    write_new,
    write_pair,
)

FOLDER = "merchants"
SUB_MCHIDS = "sub-mchids.txt"
COPIED = ("wechatpay-public.pem", "wechatpay-serial.txt")
NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
MCHID = re.compile(r"\d{8,10}")


@dataclass(frozen=True, slots=True)
class Merchant:
    """One merchant account: its number, its app, the key its requests prove, and the key of its encrypted data.
    ``name`` is that of its folder, empty for the first."""

    mchid: str
    appid: str
    serial: str
    public_key: rsa.RSAPublicKey
    apiv3_key: bytes
    name: str = ""


def make_merchant(folder: Path, mchid: str, appid: str) -> None:
    """Make the files of one merchant that are missing in ``folder``."""
    write_pair(folder, "merchant", rsa_2048)
    write_new(folder / "mchid.txt", mchid.encode(), PUBLIC_MODE)
    write_new(folder / "appid.txt", appid.encode(), PUBLIC_MODE)
    write_new(folder / "merchant-serial.txt", pick("0123456789ABCDEF", 40).encode(), PUBLIC_MODE)
    write_new(folder / "apiv3-key.txt", pick(ALPHANUMERIC, 32).encode(), PRIVATE_MODE)


def make_more_merchants(folder: Path, names: tuple[str, ...]) -> None:
    """Make ``folder/merchants/NAME`` for each name, with what a shop needs to call as that merchant.

    ValueError for a name that is no plain folder name.
    """
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(f"a merchant is named with letters, digits, - and _ only: {name!r}")
        own = folder / FOLDER / name
        own.mkdir(parents=True, exist_ok=True)
        make_merchant(own, f"19{pick(string.digits, 8)}", f"wx{pick('0123456789abcdef', 16)}")
        for shared in COPIED:
            write_new(own / shared, (folder / shared).read_bytes(), PUBLIC_MODE)


def add_sub_mchids(folder: Path, numbers: tuple[str, ...]) -> None:
    """Add sub-merchants that service providers may act for; ValueError for what is no merchant number."""
    for number in numbers:
        if not MCHID.fullmatch(number):
            raise ValueError(f"a merchant number has eight to ten digits: {number!r}")
    known = read_sub_mchids(folder)
    if added := [number for number in dict.fromkeys(numbers) if number not in known]:
        with (folder / SUB_MCHIDS).open("a", encoding="utf-8") as file:
            file.writelines(f"{number}\n" for number in added)


def read_sub_mchids(folder: Path) -> frozenset[str]:
    """The numbers in ``sub-mchids.txt``, one in each line; none where there is no such file."""
    path = folder / SUB_MCHIDS
    return frozenset(path.read_text(encoding="utf-8").split()) if path.exists() else frozenset()


def read_merchant(folder: Path, name: str = "") -> Merchant:
    """Read one merchant's files; MissingKeysError names the first that is missing or of the wrong kind."""
    return Merchant(
        mchid=read_text(folder, "mchid.txt"),
        appid=read_text(folder, "appid.txt"),
        serial=read_text(folder, "merchant-serial.txt"),
        public_key=read_rsa_public(folder, "merchant-public.pem"),
        apiv3_key=read_text(folder, "apiv3-key.txt").encode(),
        name=name,
    )


def read_merchants(folder: Path) -> dict[str, Merchant]:
    """All merchants by mchid; the one whose files lie at the top of the folder comes first."""
    more = folder / FOLDER
    others = sorted(path for path in more.iterdir() if path.is_dir()) if more.exists() else []
    merchants = [read_merchant(folder), *(read_merchant(other, other.name) for other in others)]
    return {merchant.mchid: merchant for merchant in merchants}


def remember_merchant(request: Request, merchant: Merchant) -> None:
    """Note who signed this request, once that was verified."""
    request.state.merchant = merchant


def merchant_of(request: Request) -> Merchant:
    """Who signed this request; only requests under ``/v3`` have a verified merchant."""
    merchant = request.state.merchant
    assert isinstance(merchant, Merchant)
    return merchant
