"""PostgreSQL as a tier does all that is asked of any tier."""

import importlib.util
import secrets
from pathlib import Path

import psycopg
import pytest

from budgetguard.cache.tiers.postgres import PostgresTier

_spec = importlib.util.spec_from_file_location(
    "tier_contract", Path(__file__).with_name("tier_contract.py")
)
tier_contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tier_contract)
KEY, OTHER, soon = tier_contract.KEY, tier_contract.OTHER, tier_contract.soon
PATIENT_S = 10.0
"""For what is not about time: the machine may be busy."""


@pytest.fixture
def open_tier(postgres_url):
    """Opens tiers of this test alone."""
    run, opened = f"t{secrets.token_hex(4)}_", []

    def open_one(namespace="tests", timeout_s=PATIENT_S, **options):
        namespace = f"{run}{namespace}"
        opened.append(
            PostgresTier(postgres_url, namespace=namespace, timeout_s=timeout_s, **options)
        )
        return opened[-1]

    yield open_one
    for tier in opened:
        tier.close()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for name in {tier._schema for tier in opened}:
            connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def tier(open_tier):
    return open_tier()


@pytest.fixture
def raw(postgres_url, tier):
    """A plain connection that sees the tables of the tier."""
    tier.ping()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {tier._schema}")
        yield connection


class TestPostgres(tier_contract.TierContract):
    """All that is asked of any tier."""
