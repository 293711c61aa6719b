"""What must never be found in the ledger: each check is a query that finds violations as (subject, found).

A refund number and a transfer number belong to one merchant: two merchants may use the same.
"""

# What a line does to its merchant's balance; the other kinds do nothing to it.
BALANCE_SIGNS = {
    "opening": 1,
    "balance-set": 1,
    "payment": 1,
    "coupon": 1,
    "refund-accepted": -1,
    "coupon-refunded": -1,
    "refund-closed": 1,
    "coupon-restored": 1,
    "transfer-accepted": -1,
    "transfer-returned": 1,
}

_TWICE = """
    SELECT {number} AS subject, COUNT(*) AS found FROM ledger_money WHERE kind = '{kind}'
    GROUP BY mchid, {number} HAVING COUNT(*) > 1"""

_WITHOUT_ACCEPTANCE = """
    SELECT e.{number} AS subject, e.amount_minor AS found FROM ledger_money e WHERE e.kind IN ({kinds})
    AND NOT EXISTS (SELECT 1 FROM ledger_money a WHERE a.mchid = e.mchid AND a.{number} = e.{number}
                    AND a.kind = '{accepted}' AND a.amount_minor = e.amount_minor AND a.id < e.id)"""

_BOTH = """
    SELECT s.{number} AS subject, 1 AS found FROM ledger_money s JOIN ledger_money c
    ON c.mchid = s.mchid AND c.{number} = s.{number} AND c.kind = '{other}' WHERE s.kind = '{kind}'"""

# An abnormal refund has left the merchant, a closed one has come back to it.
CHECKS = {
    "an order was paid more than once": _TWICE.format(number="out_trade_no", kind="payment"),
    "the refunds of an order exceed what was paid": """
        SELECT out_trade_no AS subject,
               SUM(CASE kind WHEN 'refund-accepted' THEN amount_minor ELSE -amount_minor END) AS found
        FROM ledger_money WHERE kind IN ('payment', 'refund-accepted', 'refund-closed')
        GROUP BY mchid, out_trade_no HAVING found > 0""",
    "the refunds of a coupon exceed it": """
        SELECT out_trade_no AS subject,
               SUM(CASE kind WHEN 'coupon-refunded' THEN amount_minor ELSE -amount_minor END) AS found
        FROM ledger_money WHERE kind IN ('coupon', 'coupon-refunded', 'coupon-restored')
        GROUP BY mchid, out_trade_no HAVING found > 0""",
    "a refund number was accepted more than once": _TWICE.format(number="out_refund_no", kind="refund-accepted"),
    "a refund number succeeded more than once": _TWICE.format(number="out_refund_no", kind="refund-success"),
    "a refund number was returned to the merchant more than once": _TWICE.format(
        number="out_refund_no", kind="refund-returned"
    ),
    "a refund ended that was not accepted with the same amount": _WITHOUT_ACCEPTANCE.format(
        number="out_refund_no",
        accepted="refund-accepted",
        kinds="'refund-success', 'refund-abnormal', 'refund-closed', 'refund-returned'",
    ),
    "a refund both succeeded and was closed": _BOTH.format(
        number="out_refund_no", kind="refund-success", other="refund-closed"
    ),
    "a refund reached both the customer and the merchant": _BOTH.format(
        number="out_refund_no", kind="refund-success", other="refund-returned"
    ),
    "a transfer number was accepted more than once": _TWICE.format(number="out_bill_no", kind="transfer-accepted"),
    "a transfer number was paid more than once": _TWICE.format(number="out_bill_no", kind="transfer-success"),
    "a transfer ended that was not accepted with the same amount": _WITHOUT_ACCEPTANCE.format(
        number="out_bill_no", accepted="transfer-accepted", kinds="'transfer-success', 'transfer-returned'"
    ),
    "a transfer both was paid and came back": _BOTH.format(
        number="out_bill_no", kind="transfer-success", other="transfer-returned"
    ),
}

# Every fen that came in is in a balance, with a customer, with the merchant's bank, in a coupon, or on its way.
_SUM = "SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_money WHERE kind IN ({kinds})"
CAME_IN = _SUM.format(kinds="'opening', 'balance-set', 'payment', 'coupon'")
WENT_OUT = _SUM.format(kinds="'refund-success', 'refund-returned', 'transfer-success', 'coupon-refunded'")
CAME_BACK = _SUM.format(kinds="'coupon-restored'")
ON_ITS_WAY = """
    SELECT COALESCE(SUM(a.amount_minor), 0) FROM ledger_money a
    WHERE a.kind IN ('refund-accepted', 'transfer-accepted')
    AND NOT EXISTS (SELECT 1 FROM ledger_money e WHERE e.mchid = a.mchid AND e.out_refund_no = a.out_refund_no
                    AND e.kind IN ('refund-success', 'refund-returned', 'refund-closed'))
    AND NOT EXISTS (SELECT 1 FROM ledger_money e WHERE e.mchid = a.mchid AND e.out_bill_no = a.out_bill_no
                    AND e.kind IN ('transfer-success', 'transfer-returned'))"""

CUSTOMER_SUMS = {
    "paid_minor": "+payment",
    "refunded_minor": "+refund-success",
    "refunds_on_their_way_minor": "+refund-accepted -refund-success -refund-closed -refund-returned",
    "refunds_returned_to_merchant_minor": "+refund-returned",
    "transferred_minor": "+transfer-success",
    "transfers_on_their_way_minor": "+transfer-accepted -transfer-success -transfer-returned",
}
