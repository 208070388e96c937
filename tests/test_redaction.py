"""Secrets of the environment in text that is shown."""

import pytest

from budgetguard.redaction import Redaction


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    for name, value in {
        "DEPLOY_TOKEN": "tok-12345678",
        "DEPLOY_TOKEN_OLD": "tok-12345678-and-more",
        "DB_PASSWORD": "test",
        "STRIPE_KEY": "sk_live.+*1",
        "aws_secret": "lower-case-name",
        "GOOGLE_APPLICATION_CREDENTIALS": "/etc/google.json",
        "KEYBOARD_LAYOUT": "german-layout",
        "PIN_SECRET": "123",
        "EMPTY_TOKEN": "",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("login with tok-12345678!", "login with $DEPLOY_TOKEN!"),
        ("xtok-12345678-and-morex", "x$DEPLOY_TOKEN_OLDx"),
        ("key sk_live.+*1 refused", "key $STRIPE_KEY refused"),
        ("lower-case-name", "$aws_secret"),
        ("open /etc/google.json", "open $GOOGLE_APPLICATION_CREDENTIALS"),
        ("password 'test' is wrong", "password '$DB_PASSWORD' is wrong"),
        ("tests/test_it.py: german-layout 123", "tests/test_it.py: german-layout 123"),
        ("- OSError: tok-12345678-and...", "- OSError: $DEPLOY_TOKEN-and..."),
        ("- OSError: lower-cas… and", "- OSError: $aws_secret… and"),
        ("lower-case-lower ...", "lower-case-lower ..."),
        ("", ""),
    ],
)
def test_a_secret_is_shown_by_its_name(text, shown):
    """The longest value first; a short one only as a word; nothing under four characters."""
    assert Redaction()(text) == shown


def test_what_the_caller_knows_is_hidden_whatever_its_name():
    """Every value of a given environment counts as a secret."""
    redacted = Redaction({"DSN": "postgres://me", "A": "abc"})
    assert redacted("postgres://me/tok-12345678 abc") == "$DSN/$DEPLOY_TOKEN abc"


def test_without_secrets_text_stays(monkeypatch):
    """An environment without secrets hides nothing."""
    monkeypatch.setattr("os.environ", {})
    assert Redaction()("tok-12345678") == "tok-12345678"
