"""Prices by day, tables of one's own, and token prices without a network."""

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.cache.prices import (
    LARGEST_USD,
    PRICES,
    SMALLEST_USD,
    UNKNOWN,
    Price,
    PriceTable,
    exact,
    known,
    load_prices,
)
from budgetguard.cache.services.tokens import token_cost
from budgetguard.errors import ConfigError

JANUARY, JUNE = dt.date(2026, 1, 1), dt.date(2026, 6, 15)
TABLE = PriceTable(
    [
        Price(item="page", valid_from=JUNE, usd=Decimal(2), units=1000),
        Price(item="page", valid_from=JANUARY, usd=Decimal(1), units=1000),
    ]
)


@pytest.mark.parametrize(
    ("day", "cost"),
    [
        (JANUARY, "0.007"),
        (JUNE - dt.timedelta(days=1), "0.007"),
        (JUNE, "0.014"),
        (dt.date(2030, 1, 1), "0.014"),
    ],
)
def test_a_price_counts_from_its_day_on(day, cost):
    """A price that changes in mid-month changes on its day, whatever the order in the table."""
    assert TABLE.cost("page", 7, day) == Decimal(cost)


def test_a_month_with_a_change_of_price_is_priced_day_by_day():
    """June with 10 pages a day: 14 days at the old price, 16 at the new."""
    days = [dt.date(2026, 6, day) for day in range(1, 31)]
    spent = sum(TABLE.cost("page", 10, day) for day in days)
    assert spent == 14 * Decimal("0.01") + 16 * Decimal("0.02")


def test_what_has_no_price_is_unknown_and_counts_as_nothing():
    """Unknown items, days before the first price, and amounts that nobody can use."""
    early = JANUARY - dt.timedelta(days=1)
    unknown = [
        TABLE.cost("book", 1, JUNE),
        TABLE.cost("page", 1, early),
        TABLE.cost("page", -1, JUNE),
    ]
    unknown.append(TABLE.cost("page", Decimal("1e60"), JUNE))
    assert [known(cost) for cost in unknown] == [False] * 4
    assert sum(unknown, start=Decimal(5)) == 5
    assert known(Decimal(0))
    assert TABLE.find("page", early) is None


def test_a_table_takes_the_items_of_another():
    """One's own prices take the place of all listed prices of the same item, and of no other."""
    later = Price(item="page", valid_from=JUNE, usd=Decimal(9))
    both = TABLE | PriceTable([later, Price(item="book", valid_from=JUNE, usd=Decimal(3))])
    assert both.cost("page", 1, JUNE) == 9
    assert not known(both.cost("page", 1, JANUARY))
    assert both.cost("book", 1, JUNE) == 3
    assert (PRICES | TABLE).find("google_cse.query", JUNE) == PRICES.find("google_cse.query", JUNE)


@given(st.decimals(min_value=0, max_value=LARGEST_USD, allow_nan=False, places=20))
def test_costs_are_whole_units(usd):
    """What is rounded is less than half a unit off, and rounding again changes nothing."""
    rounded = exact(usd)
    assert abs(rounded - usd) <= SMALLEST_USD / 2
    assert exact(rounded) == rounded
    assert rounded % SMALLEST_USD == 0


@pytest.mark.parametrize("usd", ["-1e-9", "NaN", "Infinity", "1000000.01"])
def test_what_no_call_can_cost_is_unknown(usd):
    """A negative, endless or absurd amount is never added up."""
    assert not known(exact(Decimal(usd)))
    assert exact(Decimal(usd)) is UNKNOWN


def test_listed_prices_have_a_day_and_a_source():
    """Each says from when it is known and where it stands; a plan's unit is cheaper the larger the plan."""
    assert all(price.source.startswith("https://") and price.usd > 0 for price in PRICES.prices)
    day = dt.date(2026, 11, 1)
    for service, plans in (
        ("firecrawl.credit", ("hobby", "standard", "growth", "scale")),
        ("serpapi.search", ("starter", "developer", "production", "bigdata", "searcher")),
    ):
        costs = [PRICES.cost(f"{service}.{plan}", 1, day) for plan in plans]
        assert costs == sorted(costs, reverse=True)


def test_hobby_credits_became_cheaper():
    """The listed change of Firecrawl's smallest plan counts from its day on."""
    item = "firecrawl.credit.hobby"
    before, after = dt.date(2026, 10, 5), dt.date(2026, 10, 6)
    assert PRICES.cost(item, 3000, before) == PRICES.cost(item, 5000, after) == 16


YAML = """
prices:
  - item: firecrawl.credit.standard
    valid_from: 2026-11-01
    usd: 0.1
    units: 3
    source: our contract
  - {item: openai/m.input, valid_from: '2026-11-02', usd: '2', units: 1_000_000}
"""


def test_a_table_is_read_from_yaml_and_json(tmp_path):
    """Both forms mean the same, and 0.1 is a tenth and no binary fraction."""
    one, two = tmp_path / "prices.yml", tmp_path / "prices.json"
    one.write_text(YAML)
    two.write_text(
        '{"prices": [{"item": "firecrawl.credit.standard", "valid_from": "2026-11-01", "usd": 0.1, "units": 3,'
        '"source": "our contract"},{"item": "openai/m.input", "valid_from": "2026-11-02", "usd": "2",'
        '"units": 1000000}]}'
    )
    read = load_prices(one)
    assert read.prices == load_prices(two).prices
    assert read.prices[0].usd == Decimal("0.1")
    assert read.cost("firecrawl.credit.standard", 30, dt.date(2026, 11, 3)) == 1


FAULTS = [
    ("item", "", "expected a name such as"),
    ("item", 7, "got 7"),
    ("valid_from", "soon", "expected a day such as 2026-11-01; got 'soon'"),
    ("valid_from", None, "got None"),
    ("usd", -1, "expected US dollars from 0"),
    ("usd", True, "got True"),
    ("usd", "free", "got 'free'"),
    ("usd", "NaN", "expected US dollars"),
    ("usd", "1e9", "expected US dollars"),
    ("usd", [1], "expected US dollars"),
    ("units", 0, "whole number of 1 or more; got 0"),
    ("units", 1.5, "whole number"),
    ("source", 3, "expected text; got int"),
    ("price", 3, "unknown field 'price'"),
]


@pytest.mark.parametrize(("field", "value", "told"), FAULTS)
def test_a_fault_in_a_table_is_told_with_its_place(tmp_path, field, value, told):
    """Which file, which entry, which field, what is there and what was expected."""
    entry = {"item": "a", "valid_from": "2026-01-01", "usd": 1, field: value}
    file = tmp_path / "prices.json"
    file.write_text(
        json.dumps({"prices": [{"item": "b", "valid_from": "2026-01-01", "usd": 1}, entry]})
    )
    with pytest.raises(ConfigError) as caught:
        load_prices(file)
    (problem,) = caught.value.problems
    assert "prices.json: prices[1]" in problem
    assert told in problem


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"prices: [", "no YAML or JSON"),
        (b"\xff\xfe\x00", "no YAML or JSON"),
        (b"", "expected a list under `prices`; got nothing"),
        (b"[]", "expected a list under `prices`"),
        (b"prices: {a: 1}", "expected a list under `prices`; got dict"),
        (b"prices: [3]", "prices[0]: expected item, valid_from and usd; got int"),
        (b"prices: [" + b"[" * 3000, "no YAML or JSON"),
        (b"a: !!python/object/apply:os.system ['true']", "no YAML or JSON"),
        (b"#" * (5 << 20), "expected at most"),
        (
            b"prices:\n" + b"- {item: a, valid_from: 2026-01-01, usd: 1}\n" * 2,
            "'a' has several prices from 2026-01-01",
        ),
    ],
)
def test_a_file_that_is_no_table(tmp_path, content, told):
    """Broken, foreign, hostile or contradictory files end in one clear sentence."""
    file = tmp_path / "prices.yml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"prices\.yml: ") as caught:
        load_prices(file)
    assert told in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    """The file that was looked for is named."""
    with pytest.raises(ConfigError, match=r"none\.yml: cannot be read: No such file"):
        load_prices(tmp_path / "none.yml")


def test_all_problems_are_told_at_once(tmp_path):
    """Who mends a table does so once."""
    file = tmp_path / "prices.yml"
    file.write_text("prices: [{item: '', usd: -1, valid_from: x, unit: 2}, 7]")
    with pytest.raises(ConfigError) as caught:
        load_prices(file)
    assert len(caught.value.problems) == 5


USAGE = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
PRICED = [
    # an old and a new price of one model, in genai-prices' own data
    ("o3", dt.date(2025, 6, 9), "10"),
    ("o3", dt.date(2025, 6, 10), "2"),
]


@pytest.mark.parametrize(("model", "day", "cost"), PRICED)
def test_token_prices_change_on_their_day(model, day, cost):
    """genai-prices knows when OpenAI changed a price."""
    answer = {"model": model, "usage": USAGE}
    assert token_cost(answer, None, day, provider="openai", api="chat") == Decimal(cost)


def test_the_model_that_answered_counts_before_the_one_asked_for():
    """An alias is priced as what it stood for; an unknown snapshot as what was asked for."""
    day = dt.date(2026, 11, 1)

    def cost(answered, asked):
        return token_cost(
            {"model": answered, "usage": USAGE}, asked, day, provider="openai", api="chat"
        )

    assert cost("gpt-4o-mini-2024-07-18", "gpt-4o") == Decimal("0.15")
    assert cost("snapshot-of-tomorrow", "gpt-4o-mini") == Decimal("0.15")
    assert cost(None, "gpt-4o-mini") == Decimal("0.15")
    assert not known(cost("snapshot-of-tomorrow", "another"))


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": "5"},
        {"prompt_tokens": 10**40, "completion_tokens": 1},
    ],
)
def test_a_usage_that_cannot_be_is_unpriced(usage):
    """Missing, negative and absurd numbers of tokens have no cost, and raise nothing."""
    answer = {"model": "gpt-4o", "usage": usage}
    assert not known(token_cost(answer, "gpt-4o", JUNE, provider="openai", api="chat"))
    assert not known(token_cost(answer, "gpt-4o", JUNE, provider="no such provider", api="chat"))


OFFLINE = """
import datetime, sys
network = []
sys.addaudithook(lambda event, args: network.append(event) if event.startswith("socket.") else None)
from budgetguard.cache.services.tokens import token_cost
answer = {"model": "gpt-4o-mini", "usage": {"prompt_tokens": 9, "completion_tokens": 9}}
cost = token_cost(answer, None, datetime.date(2026, 11, 1), provider="openai", api="chat")
missing = token_cost({**answer, "model": "x"}, None, datetime.date(2026, 11, 1), provider="openai", api="chat")
import threading
print(cost > 0, missing, [e for e in network if e != "socket.gethostname"], threading.active_count())
"""


def test_token_prices_need_no_network():
    """Not a socket is opened and no thread begun, neither at import nor for a model that is not known."""
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.split(), done.stderr) == (["True", "0", "[]", "1"], "")


def test_the_library_is_loaded_only_for_tokens():
    """Who caches searches does not wait for the data of a thousand models."""
    script = (
        "import sys\nfrom budgetguard.cache.services import firecrawl, openai, serp\n"
        "print('genai_prices' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("False", "")
