"""What a URL says of a PostgreSQL, and what the cache asks of it beside that."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from psycopg import conninfo

from budgetguard.errors import UsageError

_EXPECTED = (
    "expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or postgresql:///DATABASE?host=FOLDER for a "
    "socket, with / ? # @ : and % in a password written as %2F %3F %23 %40 %3A %25"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and how it is connected to."""

    where: str
    parameters: str = field(repr=False)
    """As libpq reads them."""
    secrets: tuple[str, ...] = field(repr=False)
    """All ways in which an error could repeat a password."""

    def redact(self, text: str) -> str:
        """An error in one line, without them."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())


def read(url: str, schema: str, timeout_s: float) -> Address:
    """The address that a URL means; raises `UsageError`, which repeats nothing of it."""
    known = _settings(url)
    where = f"{known.get('host') or 'its default host'}:{known.get('port') or 5432}"
    parameters = conninfo.make_conninfo("", **_ours(known, schema, timeout_s))
    return Address(where, parameters, _secrets(url, known))


def _settings(url: str) -> dict[str, str]:
    """What a URL says; what it could only mean by mistake is an error, as half a password would be."""
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise _wrong("it begins with something else")
    try:
        parts = urlsplit(f"postgresql://{rest}")
        settings = conninfo.conninfo_to_dict(f"postgresql://{rest}")
    except (psycopg.Error, ValueError):
        raise _wrong("it cannot be read") from None
    known = {name: str(value) for name, value in settings.items()}
    if parts.fragment or parts.netloc.count("@") > 1 or "/" in unquote(parts.path)[1:]:
        raise _wrong("it has more than a user, a password, a host and a database")
    if not all(port.isdecimal() for port in known.get("port", "5432").split(",") if port):
        raise _wrong("its port is no number")
    if any("@" in known.get(name, "") for name in ("host", "port", "dbname")):
        raise _wrong("it has an @ that is not between a password and a host")
    return known


def _secrets(url: str, known: dict[str, str]) -> tuple[str, ...]:
    parts = urlsplit(url)
    words = {known.get("password"), known.get("sslpassword"), parts.password}
    words |= {value for name, value in parse_qsl(parts.query) if "password" in name}
    return tuple(sorted((word for word in words if word), key=len, reverse=True))


def _ours(known: dict[str, str], schema: str, timeout_s: float) -> dict[str, str]:
    """With our limits: the server gives up before we do, so that it can say why."""
    limits = {
        "search_path": schema,
        "statement_timeout": max(1, int(timeout_s * 800)),
        "lock_timeout": max(1, int(timeout_s * 600)),
        "default_transaction_isolation": r"read\ committed",  # statements rely on it
        "plan_cache_mode": "force_generic_plan",  # planning takes longer than what is planned
        "jit": "off",  # so does compiling
    }
    options = " ".join(f"-c {name}={value}" for name, value in limits.items())
    usual = {"application_name": "budgetguard cache", "keepalives_idle": "60"}
    ours = {"client_encoding": "UTF8", "options": f"{known.get('options', '')} {options}".strip()}
    return {**usual, **known, **ours}


def _wrong(problem: str) -> UsageError:
    return UsageError(f"the URL of a PostgreSQL cache tier: {problem}; {_EXPECTED}")
