"""The banks whose debit cards take an abnormal refund, and how WeChat Pay writes a card.

Banks: pay.weixin.qq.com/docs/merchant/apis/refund/refunds/create-abnormal-refund.html; codes:
pay.weixin.qq.com/wiki/doc/apiv3/terms_definition/chapter1_1_3.shtml.
"""

BANK_NAMES = {
    "CMB": "招商银行",
    "COMM": "交通银行",
    "ABC": "农业银行",
    "CCB": "建设银行",
    "ICBC": "工商银行",
    "BOC": "中国银行",
    "PAB": "平安银行",
    "SPDB": "浦发银行",
    "CITIC": "中信银行",
    "CEB": "光大银行",
    "CMBC": "民生银行",
    "CIB": "兴业银行",
    "GDB": "广发银行",
    "PSBC": "邮储银行",
    "NBCB": "宁波银行",
}
DEBIT_CARDS = {f"{code}_DEBIT": name for code, name in BANK_NAMES.items()}
WALLET = "支付用户零钱"
MERCHANT_ACCOUNT = "商户结算银行账户"


def card(bank_type: str, number: str) -> str:
    """A debit card as `user_received_account` shows it: bank, kind of card, last four digits."""
    return f"{DEBIT_CARDS[bank_type]}借记卡{number[-4:]}"


def bank_type_of(account: str | None) -> str:
    """The code of the bank a payment came from, such as CMB_CREDIT for 招商银行信用卡0403; OTHERS for a wallet."""
    for code, name in BANK_NAMES.items():
        if account is not None and account.startswith(name):
            return f"{code}_CREDIT" if "信用卡" in account else f"{code}_DEBIT"
    return "OTHERS"
