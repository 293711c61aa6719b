"""A made-up shop: its goods and its customers. Everything follows from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

_KINDS = ("绿茶", "红茶", "乌龙茶", "普洱", "陶瓷杯", "竹篮", "灯笼", "棉布", "香薰", "tea", "cup", "lantern", "basket")
_MAKES = ("手工", "有机", "复古", "儿童", "旅行", "礼盒", "red", "white", "small", "large", "vintage", "glass")
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰涛明超霞平刚桂英华玉兰红建文辉力玲波斌宇浩凯健俊"
_OPERATORS = ("130", "135", "138", "150", "158", "177", "186", "199")


@dataclass(frozen=True, slots=True)
class Goods:
    """Something that is sold."""

    product_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who buys."""

    customer_id: str
    name: str
    phone: str
    openid: str


def goods(seed: int, count: int) -> list[Goods]:
    """What the shop sells; some of it far more often than the rest is for `popular` to say."""
    chance = random.Random(f"goods {seed}")
    made = []
    for number in range(count):
        words = (chance.choice(_MAKES), chance.choice(_KINDS), f"no{number:04}")
        made.append(Goods(f"p{number:04}", " ".join(words)))
    return made


def popular(chance: random.Random, count: int) -> int:
    """One of `count`, the first ones far more often than the last."""
    return int(count * chance.random() ** 2.5)


def customer(seed: int, number: int) -> Customer:
    """Customer `number` of the shop."""
    chance = random.Random(f"customer {seed} {number}")
    name = chance.choice(_SURNAMES) + "".join(chance.choices(_GIVEN, k=chance.randint(1, 2)))
    phone = chance.choice(_OPERATORS) + f"{chance.randrange(10**8):08}"
    return Customer(f"c{number:06}", name, phone, f"o{chance.randrange(16**26):026x}")
