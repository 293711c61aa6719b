"""How often a merchant may ask for refunds and transfers, in real time.

pay.weixin.qq.com/doc/v3/merchant/4012556457: 150 refunds a second, 6 a second that are wrong, 5000 a minute for orders
older than a month, and no two refunds of one customer at the same time. …/docs/merchant/apis/mch-trans/transfer-bill/
transfer-to-user.html: 100 transfers a second. Past a limit the answer is 429 FREQUENCY_LIMITED. For two refunds at once
no document names the code of v3; the same is answered here.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.clock import Clock
from sandbox.errors import InjectedError, WechatPayError

REFUNDS_PER_SECOND = 150
ERRORS_PER_SECOND = 6
TRANSFERS_PER_SECOND = 100
OLD_ORDERS_PER_MINUTE = 5000
OLD_SECONDS = 30 * 24 * 3600


def limited(message: str) -> WechatPayError:
    """429 FREQUENCY_LIMITED."""
    return WechatPayError(429, "FREQUENCY_LIMITED", message)


class Window:
    """At most ``most`` events of each name in any ``seconds`` of real time."""

    def __init__(self, clock: Clock, most: int, seconds: float) -> None:
        self._clock = clock
        self._most = most
        self._seconds = seconds
        self._moments: defaultdict[str, deque[float]] = defaultdict(deque)

    def full(self, name: str) -> bool:
        """Whether one more now would be too many."""
        moments = self._moments[name]
        while moments and self._clock.wall() - moments[0] >= self._seconds:
            moments.popleft()
        return len(moments) >= self._most

    def add(self, name: str) -> None:
        """One more now."""
        self._moments[name].append(self._clock.wall())


class MerchantLimits:
    """Counts the refund and transfer calls of each merchant, and knows which customers' refunds are under way."""

    def __init__(self, clock: Clock, *, enforced: bool) -> None:
        self._enforced = enforced
        self._good = Window(clock, REFUNDS_PER_SECOND, 1)
        self._wrong = Window(clock, ERRORS_PER_SECOND, 1)
        self._old = Window(clock, OLD_ORDERS_PER_MINUTE, 60)
        self._transfers = Window(clock, TRANSFERS_PER_SECOND, 1)
        self._under_way: set[tuple[str, str]] = set()

    @contextmanager
    def refund(self, mchid: str, openid: str | None, age_seconds: float) -> Iterator[None]:
        """Surrounds one refund call; ``openid`` and ``age_seconds`` are those of the payment, None where unknown."""
        if not self._enforced:
            yield
            return
        self._check(mchid, age_seconds)
        customer = (mchid, openid)
        if openid is not None and customer in self._under_way:
            raise limited("同一用户有退款正在处理, 请稍后用相同参数重试")
        if openid is not None:
            self._under_way.add((mchid, openid))
        try:
            with self.errors(mchid):
                yield
            self._good.add(mchid)
        finally:
            if openid is not None:
                self._under_way.discard((mchid, openid))

    def _check(self, mchid: str, age_seconds: float) -> None:
        if self._good.full(mchid):
            raise limited("接口请求频率超限, 请降低频率后用相同参数重试")
        if age_seconds > OLD_SECONDS:
            if self._old.full(mchid):
                raise limited("频率限制,1个月之前的订单请降低申请频率再重试")
            self._old.add(mchid)

    @contextmanager
    def transfer(self, mchid: str) -> Iterator[None]:
        """Surrounds one call for a transfer."""
        if self._enforced and self._transfers.full(mchid):
            raise limited("接口请求频率超限, 请降低频率后用原单号重试")
        self._transfers.add(mchid)
        yield

    @contextmanager
    def errors(self, mchid: str) -> Iterator[None]:
        """Counts the refusals (4xx, without 429) inside; the seventh within a second becomes 429."""
        try:
            yield
        except (WechatPayError, InjectedError) as refusal:
            if not self._enforced or not 400 <= refusal.http < 500 or refusal.http == 429:
                raise
            if self._wrong.full(mchid):
                raise limited("错误或无效请求过于频繁, 请降低频率") from None
            self._wrong.add(mchid)
            raise
