"""Which of WeChat Pay's keys signs what, and which signatures are wrong on purpose.

A shop in public-key mode meets the public key only, a shop of the older mode platform certificates only; during
migration both arrive (pay.weixin.qq.com/docs/merchant/development/interface-rules/signature-verification.html). A few
signatures are probes: a shop that believes one does not verify (pay.weixin.qq.com/doc/v3/merchant/4016241880).
"""

import hashlib
import json
from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.certificates import PlatformKey, PlatformKeys
from sandbox.faults import place
from sandbox.keyfiles import rsa_2048
from sandbox.settings import SandboxSettings
from sandbox.store import Store

Mode = Literal["public-key", "certificate", "both"]


class Signing(BaseModel):
    """How answers and callbacks are signed: the key mode, and the share of signatures that are probes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    mode: Mode = "public-key"
    probe_share: float = Field(default=0.0, ge=0, le=1)
    seed: int = 0


class SigningPlan:
    """Chooses keys and probes. Kept in the store, so a restart changes nothing."""

    def __init__(self, platform: PlatformKeys, store: Store, settings: SandboxSettings) -> None:
        self._platform = platform
        self._store = store
        self._asked: Counter[str] = Counter()
        self._foreign: PlatformKey | None = None
        chosen, probes = store.kept("signing"), store.kept("probes")
        from_settings = Signing(mode=settings.signing_mode, probe_share=settings.probe_share, seed=settings.fault_seed)
        self.chosen = Signing.model_validate_json(chosen) if chosen else from_settings
        self.probes: dict[str, int] = json.loads(probes) if probes else {"accepted": 0, "refused": 0}

    def choose(self, signing: Signing) -> None:
        """Sign like this from now on."""
        self.chosen = signing
        self._asked.clear()
        self._store.keep("signing", signing.model_dump_json())

    @property
    def lists_certificates(self) -> bool:
        """Whether GET /v3/certificates has anything to list; accounts of public-key mode are answered an error."""
        return self.chosen.mode != "public-key"

    def key_for(self, nonce: str, asked_serial: str = "") -> PlatformKey:
        """The key for an answer or a callback; a request that names the public key's id is answered with it.

        In mode ``both`` the nonce of the request (or any text for a callback) decides, half and half.
        """
        certificate = self._platform.newest.key
        if asked_serial == self._platform.public.serial or self.chosen.mode == "public-key":
            return self._platform.public
        if self.chosen.mode == "certificate":
            return certificate
        odd = hashlib.sha256(nonce.encode()).digest()[0] % 2
        return certificate if odd else self._platform.public

    def probes_next(self, subject: str) -> bool:
        """Whether this answer or delivery is a probe: depends on seed, subject, and how often it was asked about."""
        if self.chosen.probe_share == 0:
            return False
        self._asked[subject] += 1
        return place(self.chosen.seed, "probe", f"{subject}/{self._asked[subject]}") < self.chosen.probe_share

    def probe_answered(self, http: int) -> None:
        """Note what a receiver made of a probe: refusing it is right, handling it is not."""
        if 200 <= http < 300:
            self.probes["accepted"] += 1
        elif http >= 400:
            self.probes["refused"] += 1
        self._store.keep("probes", json.dumps(self.probes))

    def foreign_key(self) -> PlatformKey:
        """A key that is not WeChat Pay's but says it is."""
        if self._foreign is None:
            self._foreign = PlatformKey(self._platform.public.serial, rsa_2048())
        return self._foreign
