"""Key files, and the tokens they sign."""

import json
import re
import stat
from pathlib import Path

import jwt
import pytest

from sandbox.keyfiles import MissingKeysError
from sandbox.keys import load_keys, make_keys
from sandbox.subscribe import openid_of
from sandbox.templates import SUBSCRIBE_TEMPLATES
from tests.unit.sandbox.shop import Shop, text


def test_making_keys_again_changes_nothing(tmp_path: Path) -> None:
    make_keys(tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    make_keys(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert len(first["apiv3-key.txt"]) == 32
    assert first["wechatpay-serial.txt"].startswith(b"PUB_KEY_ID_")


def test_a_missing_file_is_made_beside_those_that_are_there(tmp_path: Path) -> None:
    make_keys(tmp_path)
    private = (tmp_path / "merchant-private.pem").read_bytes()
    public = (tmp_path / "merchant-public.pem").read_bytes()
    (tmp_path / "merchant-public.pem").unlink()
    (tmp_path / "templates.json").unlink()
    make_keys(tmp_path)
    assert (tmp_path / "merchant-private.pem").read_bytes() == private
    assert (tmp_path / "merchant-public.pem").read_bytes() == public
    assert load_keys(tmp_path).templates["refund-arrived"]["template_id"]


def test_private_files_are_private(keys: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()}
    private = {name for name, mode in modes.items() if mode == 0o600}
    assert private == {
        *("merchant-private.pem", "wechatpay-private.pem", "login-private.pem", "wechatpay-certificate-private.pem"),
        *("gateway-private.pem", "gateway-secret.txt"),
        *("apiv3-key.txt", "appsecret.txt", "push-token.txt", "sms-tencent-key.txt", "sms-alibaba-key.txt"),
    }


def test_an_incomplete_folder_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingKeysError, match=r"mchid\.txt"):
        load_keys(tmp_path)
    make_keys(tmp_path)
    for name in ("merchant-public.pem", "wechatpay-certificate.pem", "login-private.pem"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        with pytest.raises(MissingKeysError, match=re.escape(name)):
            load_keys(tmp_path)
        (tmp_path / name).write_bytes(content)


def test_templates_name_their_fields(keys: Path) -> None:
    templates = json.loads(text(keys, "templates.json"))
    assert set(templates) == set(SUBSCRIBE_TEMPLATES)
    assert len({template["template_id"] for template in templates.values()}) == len(templates)
    assert list(templates["refund-failed"]["fields"]) == ["character_string1", "amount2", "thing3", "thing4", "time5"]
    sms = json.loads(text(keys, "sms-templates.json"))
    assert sms["templates"]["refund-arrived"]["params"] == ["order", "amount", "note"]


async def test_a_customers_token(shop: Shop) -> None:
    body = {"customer_id": "c-1", "name": "王小明", "phone": "13800138000", "scope": ["orders:import"]}
    answer = await shop.http.post("/_login/customer", json=body)
    claims = jwt.decode(
        answer.json()["token"],
        text(shop.keys, "login-public.pem"),
        algorithms=["EdDSA"],
        audience="tuidan",
        issuer="tuidan-sandbox",
    )
    assert claims.pop("exp") - claims.pop("iat") == 24 * 3600
    assert claims == {
        "iss": "tuidan-sandbox",
        "aud": "tuidan",
        "sub": "c-1",
        "kind": "customer",
        "name": "王小明",
        "phone": "13800138000",
        "openid": openid_of("c-1"),
        "scope": ["orders:import"],
    }


async def test_a_staff_members_token(shop: Shop) -> None:
    answer = await shop.http.post("/_login/staff", json={"staff_id": "s-1", "name": "李", "role": "supervisor"})
    claims = jwt.decode(
        answer.json()["token"], text(shop.keys, "login-public.pem"), algorithms=["EdDSA"], audience="tuidan"
    )
    assert (claims["sub"], claims["kind"], claims["role"], claims["scope"]) == ("s-1", "staff", "supervisor", [])
    assert (await shop.http.post("/_login/staff", json={"staff_id": "s-1"})).status_code == 422


def test_an_openid_belongs_to_its_customer() -> None:
    assert openid_of("c-1") == openid_of("c-1")
    assert openid_of("c-1") != openid_of("c-2")
    assert len(openid_of("c-1")) == 28


async def test_it_is_alive(shop: Shop) -> None:
    assert await shop.get("/live") == {"status": "live"}
