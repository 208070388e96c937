"""A cache is warmed: the most worthwhile first, for no more than it may cost, once, and not without end."""

import asyncio
import json
import threading
import time
from decimal import Decimal

import pytest

from budgetguard.cache import Operation, Policy, open_cache
from budgetguard.cache.plan import Wanted, line, parsed, read_plan
from budgetguard.cache.prices import UNKNOWN
from budgetguard.cache.warming import Warmer
from budgetguard.errors import UsageError

ASK = Operation(
    policy=Policy(name="ask", ttl_s=600),
    key=lambda request: request["q"],
    cost=lambda request, _answer, _day: Decimal(request.get("usd", "0.10")),
    refused=lambda _request, answer: "empty" if not answer else "",
)


@pytest.fixture
def cache(tmp_path):
    opened = open_cache("memory://1MiB", f"sqlite:///{tmp_path}/cache.db")
    yield opened
    opened.close()


def wanted(number, **more):
    return Wanted(operation="ask", request={"q": f"q{number}"}, **more)


class Service:
    """Counts what it is asked, and how many at once."""

    def __init__(self, took_s=0.0):
        self.asked, self.most, self._now, self._lock = [], 0, 0, threading.Lock()
        self.took_s = took_s

    def __call__(self, request):
        with self._lock:
            self.asked.append(request["q"])
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(self.took_s)
        with self._lock:
            self._now -= 1
        return {"answer": request["q"]}


def warmer_of(cache, send, operation=ASK):
    warmer = Warmer(cache)
    warmer.add(operation, send)
    return warmer


def test_what_saves_most_comes_first(cache):
    """Times x cost; then it is in the cache, and the next time it is skipped at no cost."""
    service = Service()
    plan = [wanted(1), wanted(2, times=9, usd=Decimal("0.10")), wanted(3, times=3)]
    warmed = warmer_of(cache, service).warm(plan, budget_usd=Decimal(5), rate=1000, concurrency=1)

    assert service.asked == ["q2", "q3", "q1"]
    assert (warmed.loaded, warmed.spent_usd, warmed.stopped) == (3, Decimal("0.30"), "")
    assert cache.call(ASK, {"q": "q1"}, None) == {"answer": "q1"}
    again = warmer_of(cache, service).warm(plan, budget_usd=Decimal(5), rate=1000)
    assert (again.fresh, again.loaded, again.spent_usd) == (3, 0, 0)
    assert len(service.asked) == 3


def test_looking_saves_no_money(tmp_path):
    """What another process has loaded is skipped, and is no hit of anybody."""
    urls = ("memory://1MiB", f"sqlite:///{tmp_path}/cache.db")
    first = open_cache(*urls)
    warmer_of(first, Service()).warm([wanted(1)], budget_usd=Decimal(1), rate=1000)
    first.close()
    second = open_cache(*urls, ledger=tmp_path / "ledger.db")
    warmed = warmer_of(second, Service()).warm([wanted(1)], budget_usd=Decimal(1), rate=1000)
    assert warmed.fresh == 1
    assert second.stats() == {}
    second.close()


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_budget_holds(cache, concurrency):
    """Calls of 10 cents for 35 cents are three, however many are sent at once."""
    service = Service(took_s=0.02)
    plan = [wanted(number) for number in range(20)]
    warmed = warmer_of(cache, service).warm(
        plan, budget_usd=Decimal("0.35"), rate=1000, concurrency=concurrency
    )

    assert (warmed.loaded, warmed.left_out) == (3, 17)
    assert warmed.spent_usd == Decimal("0.30")
    assert "0.35 USD is spent" in warmed.stopped


def test_what_is_too_dear_makes_room_for_others(cache):
    """A request that does not fit is left out; a cheaper one after it still is loaded."""
    service = Service()
    plan = [wanted(1, usd=Decimal(9), times=5), wanted(2, usd=Decimal("0.10"))]
    warmed = warmer_of(cache, service).warm(plan, budget_usd=Decimal(1), rate=1000)

    assert service.asked == ["q2"]
    assert (warmed.loaded, warmed.left_out) == (1, 1)


def test_what_nobody_can_price(cache):
    """One call finds out that its cost is not known; no other follows, for no budget could hold."""
    free = Operation(policy=ASK.policy, key=ASK.key, cost=lambda *_: UNKNOWN)
    service = Service()
    warmed = warmer_of(cache, service, free).warm(
        [wanted(n) for n in range(9)], budget_usd=Decimal(9), rate=1000
    )

    assert len(service.asked) == 1
    assert (warmed.loaded, warmed.left_out) == (1, 8)
    assert "nobody knows what ask costs" in warmed.stopped


def test_many_at_once_and_no_faster(cache):
    """As many as are allowed, and no more calls in a second than the rate."""
    service = Service(took_s=0.1)
    plan = [wanted(number, usd=Decimal(0)) for number in range(8)]
    warmed = warmer_of(cache, service).warm(plan, budget_usd=Decimal(9), rate=20, concurrency=3)
    assert service.most in (2, 3)
    assert warmed.seconds >= 7 / 20


def test_one_failure_stops_nobody_and_many_do(cache):
    """A request that fails is counted; a service that fails is not asked to the end."""

    def odd(request):
        if int(request["q"][1:]) % 2:
            raise ConnectionError("refused")
        return {"answer": 1}

    plan = [wanted(number, usd=Decimal(0)) for number in range(20)]
    warmed = warmer_of(cache, odd).warm(plan, budget_usd=Decimal(9), rate=1000, concurrency=1)
    assert (warmed.loaded, warmed.failed, warmed.stopped) == (10, 10, "")

    def down(_request):
        raise ConnectionError("refused")

    plan = [wanted(number, usd=Decimal(0)) for number in range(100, 150)]
    warmed = warmer_of(cache, down).warm(plan, budget_usd=Decimal(9), rate=1000, concurrency=1)
    assert (warmed.failed, warmed.left_out) == (5, 45)
    assert "5 failures in a row, the last: ConnectionError: refused" in warmed.stopped


def test_answers_that_are_not_kept(cache):
    """They were paid for, and are told apart."""
    warmed = warmer_of(cache, lambda _: {}).warm([wanted(1)], budget_usd=Decimal(1), rate=1000)
    assert (warmed.loaded, warmed.refused, warmed.spent_usd) == (0, 1, Decimal("0.10"))


def test_in_an_event_loop(cache):
    """The same, by coroutines; the budget and the order are the same code."""
    asked = []

    async def send(request):
        asked.append(request["q"])
        await asyncio.sleep(0.01)
        return {"answer": 1}

    warmer = warmer_of(cache, send)
    assert warmer.is_async
    plan = [wanted(number) for number in range(20)]
    warmed = asyncio.run(warmer.awarm(plan, budget_usd=Decimal("0.55"), rate=1000, concurrency=8))
    assert (warmed.loaded, warmed.left_out, len(asked)) == (5, 15, 5)
    assert cache.call(ASK, {"q": asked[0]}, None) == {"answer": 1}


def test_an_operation_nobody_can_send(cache):
    """It is told before anything is loaded."""
    service = Service()
    plan = [wanted(1), Wanted(operation="other", request={})]
    with pytest.raises(UsageError, match=r"'other'.*known: ask"):
        warmer_of(cache, service).warm(plan, budget_usd=Decimal(1), rate=1)
    assert service.asked == []


@pytest.mark.parametrize(
    ("budget", "rate"), [(Decimal(-1), 1), (Decimal("NaN"), 1), (Decimal(1), 0)]
)
def test_wrong_bounds(cache, budget, rate):
    """A budget and a rate have to be some."""
    with pytest.raises(UsageError):
        warmer_of(cache, Service()).warm([], budget_usd=budget, rate=rate)


def test_a_plan_as_lines(tmp_path):
    """Lines alike are added up, damaged ones are left out and counted."""
    file = tmp_path / "plan.jsonl"
    lines = [line(wanted(1, times=2, usd=Decimal("0.20"))), line(wanted(2, tags=("a",)))]
    damaged = ["{", '{"operation": 1, "request": {}}', '{"request": {}}', "[]", '"x"']
    damaged += [
        json.dumps({"operation": "ask", "request": {}, **wrong})
        for wrong in ({"times": 0}, {"times": "3"}, {"usd": "much"}, {"usd": "-1"}, {"tags": [1]})
    ]
    file.write_text("".join([*lines, lines[0], *(f"{one}\n" for one in damaged)]))
    plan = read_plan(file)

    assert plan.damaged == len(damaged)
    assert plan.wanted == (wanted(1, times=4, usd=Decimal("0.20")), wanted(2, tags=("a",)))
    assert parsed(lines[1]) == wanted(2, tags=("a",))
    with pytest.raises(UsageError, match="cannot be read"):
        read_plan(tmp_path / "nope")
