"""Signatures and encryption of WeChat Pay API v3.

Sources: pay.weixin.qq.com/doc/v3/merchant/4012556457 (requests),
pay.weixin.qq.com/docs/merchant/development/interface-rules/signature-verification.html (answers and callbacks),
pay.weixin.qq.com/doc/v3/merchant/4012082053 (encrypted resource).
"""

import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from sandbox.certificates import PlatformKey
from sandbox.errors import WechatPayError
from sandbox.merchants import Merchant

SCHEME = "WECHATPAY2-SHA256-RSA2048"
WINDOW_SECONDS = 300
PARAMETER = re.compile(r'(\w+)="([^"]*)"')
PARAMETERS = {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}
# pay.weixin.qq.com/doc/v3/merchant/4016241880: what begins like this is wrong on purpose and must not be believed.
PROBE = "WECHATPAY/SIGNTEST/"


def sign_error(message: str) -> WechatPayError:
    """401 SIGN_ERROR with a hint at what is wrong."""
    return WechatPayError(401, "SIGN_ERROR", message)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a request signature covers: method, path with query as sent, and the raw body."""

    method: str
    target: str
    body: bytes
    authorization: str

    def message(self, timestamp: str, nonce: str) -> bytes:
        """The signed bytes: five lines, each ended by a line feed."""
        return f"{self.method}\n{self.target}\n{timestamp}\n{nonce}\n".encode() + self.body + b"\n"


def check_request(merchants: Mapping[str, Merchant], request: SignedRequest, wall_time: float) -> Merchant:
    """The merchant who signed exactly this request within the last five minutes; 401 SIGN_ERROR when nobody did."""
    scheme, _, rest = request.authorization.partition(" ")
    if scheme != SCHEME:
        raise sign_error("Http头Authorization认证类型不正确")
    given = dict(PARAMETER.findall(rest))
    if set(given) != PARAMETERS:
        raise sign_error("Http头Authorization值格式错误, 请参考《微信支付商户REST API签名规则》")
    merchant = merchants.get(given["mchid"])
    if merchant is None:
        raise sign_error("商户号不存在")
    if given["serial_no"] != merchant.serial:
        raise sign_error("商户证书序列号有误")
    if not given["timestamp"].isdigit() or abs(wall_time - int(given["timestamp"])) > WINDOW_SECONDS:
        raise sign_error("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
    try:
        signature = b64decode(given["signature"], validate=True)
        message = request.message(given["timestamp"], given["nonce_str"])
        merchant.public_key.verify(signature, message, PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature):
        raise sign_error("签名错误, 请检查后再试") from None
    return merchant


def nonce_of(authorization: str) -> str:
    """The nonce of a request; empty where it names none."""
    given: dict[str, str] = dict(PARAMETER.findall(authorization))
    return given.get("nonce_str", "")


def signed_headers(key: PlatformKey, body: bytes, wall_time: float, *, probe: bool = False) -> dict[str, str]:
    """Headers that prove an answer or a callback with this raw body comes from WeChat Pay; the body may be empty.

    A ``probe`` carries a signature that is wrong on purpose, with the documented prefix.
    """
    timestamp = str(int(wall_time))
    nonce = secrets.token_hex(16)
    signature = key.private.sign(f"{timestamp}\n{nonce}\n".encode() + body + b"\n", PKCS1v15(), SHA256())
    shown = b64encode(signature).decode()
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        # The rest keeps its length, as there; the changed start alone makes it wrong.
        "Wechatpay-Signature": PROBE + shown[len(PROBE) :] if probe else shown,
        "Wechatpay-Signature-Type": SCHEME,
        "Wechatpay-Serial": key.serial,
    }


def encrypted_resource(apiv3_key: bytes, plaintext: bytes, original_type: str) -> dict[str, str]:
    """A callback's ``resource``: AES-256-GCM under the merchant's APIv3 key, tag appended, base64.

    ``original_type`` ("transaction", "refund", …) is also the associated data, as WeChat Pay does it.
    """
    nonce = secrets.token_hex(6)
    ciphertext = AESGCM(apiv3_key).encrypt(nonce.encode(), plaintext, original_type.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "original_type": original_type,
        "associated_data": original_type,
        "nonce": nonce,
        "ciphertext": b64encode(ciphertext).decode(),
    }
