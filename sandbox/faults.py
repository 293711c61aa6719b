"""Faults on demand: rules that name calls (fault_rules.py), and seeded shares of refund numbers (fault_mix.py)."""

import json

from sandbox.fault_mix import CALLBACK, FIRST_POST, UNTIL_ACCEPTED, Shares, place
from sandbox.fault_rules import Call, Fault, Rule
from sandbox.settings import SandboxSettings
from sandbox.store import Store

__all__ = ["Call", "Fault", "Faults", "Rule", "Shares", "place", "shares_of"]


class Faults:
    """Decides for each call whether something goes wrong. Kept in the store, so a restart changes nothing."""

    def __init__(self, store: Store, settings: SandboxSettings) -> None:
        self._store = store
        shares = store.kept("fault-shares")
        rules = store.kept("fault-rules")
        self.shares = Shares.model_validate_json(shares) if shares else shares_of(settings)
        self.rules = [Rule.model_validate(rule) for rule in json.loads(rules)] if rules else []

    def set_shares(self, shares: Shares) -> None:
        """Replace seed and shares."""
        self.shares = shares
        self._store.keep("fault-shares", shares.model_dump_json())

    def add_rules(self, rules: list[Rule]) -> None:
        """Add rules behind those that are there; the first rule that strikes wins."""
        self.rules.extend(rules)
        self._keep_rules()

    def clear_rules(self) -> None:
        """Forget all rules."""
        self.rules = []
        self._keep_rules()

    def topped_up(self, mchid: str) -> None:
        """Forget the rules that hold until this merchant's balance is set."""
        self.rules = [rule for rule in self.rules if not (rule.until and rule.match.get("mchid", mchid) == mchid)]
        self._keep_rules()

    def _keep_rules(self) -> None:
        # A value that was not given must stay so: the rule is checked again when it is read.
        self._store.keep("fault-rules", json.dumps([rule.model_dump(exclude_unset=True) for rule in self.rules]))

    def draw(self, call: Call, numbers: dict[str, str]) -> Fault | None:
        """The fault that a rule holds for this call, or None. Counts the call for every rule it meets."""
        fault: Fault | None = None
        met = False
        for rule in self.rules:
            if rule.meets(call, numbers):
                met = True
                rule.seen += 1
                if fault is None and rule.strikes():
                    rule.struck += 1
                    fault = rule.fault
        if met:
            self._keep_rules()
        return fault

    def draw_for_refund(self, out_refund_no: str, mchid: str) -> Fault | None:
        """The seeded fault for a POST of a refund number that was not accepted yet, or None."""
        road = self.shares.of(out_refund_no)
        if road is None:
            return None
        if road in UNTIL_ACCEPTED:
            return UNTIL_ACCEPTED[road]
        if road not in FIRST_POST:
            return None
        first = self._store.run("INSERT OR IGNORE INTO fault_first_posts VALUES (?)", f"{mchid}/{out_refund_no}")
        return FIRST_POST[road] if first else None

    def draw_for_callback(self, out_refund_no: str) -> Fault | None:
        """The seeded fault for the first callback of a refund number, or None."""
        road = self.shares.of(out_refund_no)
        return None if road is None else CALLBACK.get(road)


def shares_of(settings: SandboxSettings) -> Shares:
    """The shares the settings ask for."""
    return Shares(
        seed=settings.fault_seed,
        refund_unknown_share=settings.refund_unknown_share,
        refund_refused_share=settings.refund_refused_share,
    )
