"""Relative limits of a load, checked by the real command."""

from .loads import app, config, files

LIMIT = "p50 <= baseline + 50%"


def test_both_sides_have_to_be_started_here(timed):
    """A host that runs already cannot be base and head: ERROR says what would."""
    settings = config(LIMIT).replace("serve: python app.py {port}", "host: http://127.0.0.1:9")
    timed.write({**files(LIMIT, path="/"), "budgetguard.yml": settings})
    timed.based("api")
    timed.commit("slow", {"app.py": app(0.12)})
    timed.check().ends(4, "base and head are compared side by side", "expected serve:")
