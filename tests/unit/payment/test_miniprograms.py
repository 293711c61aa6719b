"""In whose name shipping records are told: the mini-program of each shop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.miniprogram import MiniProgram
from services.payment.miniprograms import MiniPrograms

PATH = "/wxa/sec/order/get_order"


class Wechat:
    """Gives everybody a token that says whose it is; remembers by which secret it was asked for and used."""

    def __init__(self) -> None:
        self.secrets: list[str] = []
        self.used: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("stable_token"):
            asked: dict[str, Any] = json.loads(request.content)
            self.secrets.append(asked["secret"])
            return httpx.Response(200, json={"access_token": f"of {asked['appid']}", "expires_in": 7200})
        self.used.append(request.url.params["access_token"])
        return httpx.Response(200, json={"errcode": 0})


@pytest.fixture
def wechat() -> Wechat:
    return Wechat()


@pytest.fixture
def programs(wechat: Wechat, tmp_path: Path) -> MiniPrograms:
    http = httpx.AsyncClient(transport=httpx.MockTransport(wechat))
    return MiniPrograms(http, tmp_path, "http://wechat")


def put(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name.replace('_', '-')}.txt").write_text(content)


async def asked(program: MiniProgram | None) -> None:
    assert program is not None
    await program.post(PATH, {})


async def test_each_shop_has_its_own(wechat: Wechat, programs: MiniPrograms, tmp_path: Path) -> None:
    put(tmp_path, appid="wx-house", appsecret="one")
    put(tmp_path / "merchants" / "tea", appid="wx-tea", appsecret="two")
    put(tmp_path / "merchants" / "rice", appid="wx-rice")
    await asked(programs.of(""))
    await asked(programs.of("tea"))
    assert (wechat.used, wechat.secrets) == (["of wx-house", "of wx-tea"], ["one", "two"])
    assert programs.of("rice") is None
    assert programs.of("nobody") is None


async def test_customers_of_a_sub_merchant_with_a_mini_program_of_its_own_are_known_to_that_one(
    wechat: Wechat, programs: MiniPrograms, tmp_path: Path
) -> None:
    """The payer's openid is of the sub-merchant's app, and so is the secret: the provider's app knows neither."""
    put(tmp_path, appid="wx-provider", sub_mchid="1900000777", sub_appid="wx-shop", appsecret="of the shop")
    await asked(programs.of(""))
    assert (wechat.used, wechat.secrets) == (["of wx-shop"], ["of the shop"])


async def test_a_secret_that_was_replaced_counts_without_a_restart(
    wechat: Wechat, programs: MiniPrograms, tmp_path: Path
) -> None:
    put(tmp_path, appid="wx-house", appsecret="old")
    for _ in range(2):
        await asked(programs.of(""))
    put(tmp_path, appsecret="new")
    for _ in range(2):
        await asked(programs.of(""))
    assert wechat.secrets == ["old", "new"], "a token is asked for once by each"


@pytest.mark.parametrize("half", ["empty", "gone", "not a text"])
async def test_while_the_files_are_being_written_the_ones_before_count(
    wechat: Wechat, programs: MiniPrograms, tmp_path: Path, half: str
) -> None:
    put(tmp_path, appid="wx-house", appsecret="old")
    await asked(programs.of(""))
    if half == "gone":
        (tmp_path / "appid.txt").unlink()
    else:
        (tmp_path / "appsecret.txt").write_bytes(b"" if half == "empty" else b"\xff")
    await asked(programs.of(""))
    assert (wechat.used, wechat.secrets) == (["of wx-house"] * 2, ["old"])


@pytest.mark.parametrize("content", [b"", b"\xff"])
async def test_a_secret_that_cannot_be_read_yet_is_not_taken_for_none(
    wechat: Wechat, programs: MiniPrograms, tmp_path: Path, content: bytes
) -> None:
    put(tmp_path, appid="wx-house")
    (tmp_path / "appsecret.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"empty|decode"):
        programs.of("")
    put(tmp_path, appsecret="whole")
    await asked(programs.of(""))
    assert wechat.secrets == ["whole"]
