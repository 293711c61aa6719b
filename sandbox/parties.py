"""Whose payment it is in service-provider mode: the provider's merchant number, and the sub-merchant it acts for.

A payment is stored as the provider's. What this mode adds lies beside it, in one row.
"""

from dataclasses import dataclass
from typing import Any

from sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS parties (
    mchid TEXT NOT NULL, out_trade_no TEXT NOT NULL, sub_mchid TEXT NOT NULL, sub_appid TEXT,
    payer_field TEXT NOT NULL, PRIMARY KEY (mchid, out_trade_no)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Party:
    """The sub-merchant of one payment; ``payer_field`` is how its payer is named, sp_openid or sub_openid."""

    sub_mchid: str
    sub_appid: str | None
    payer_field: str

    def shown(self, value: dict[str, Any]) -> dict[str, Any]:
        """A payment's answer, or a callback's resource, with the fields this mode has in place of appid and mchid."""
        head = {f"sp_{name}": value[name] for name in ("appid", "mchid") if name in value} | {
            "sub_mchid": self.sub_mchid
        }
        if self.sub_appid is not None and "appid" in value:
            head["sub_appid"] = self.sub_appid
        rest = {name: given for name, given in value.items() if name not in ("appid", "mchid")}
        if "payer" in rest:
            rest["payer"] = {self.payer_field: rest["payer"]["openid"]}
        return head | rest


def party_of(store: Store, mchid: str, out_trade_no: str) -> Party | None:
    """The sub-merchant of this payment; None where the merchant acts for itself."""
    row = store.one(
        "SELECT sub_mchid, sub_appid, payer_field FROM parties WHERE mchid = ? AND out_trade_no = ?",
        *(mchid, out_trade_no),
    )
    return None if row is None else Party(row["sub_mchid"], row["sub_appid"], row["payer_field"])


def keep_party(store: Store, mchid: str, out_trade_no: str, party: Party) -> None:
    """Note the sub-merchant of a payment."""
    store.run(
        "INSERT OR IGNORE INTO parties VALUES (?, ?, ?, ?, ?)",
        *(mchid, out_trade_no, party.sub_mchid, party.sub_appid, party.payer_field),
    )
