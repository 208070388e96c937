"""What the PostgreSQL tier says to the server, one statement for each step, each a transaction of its own.

Names are looked up in the schema of the namespace alone. Keys, tags and tokens are bytea, so that neither the
encoding of the database nor its collation has a say in them. All answers are text, but for bytea.
"""

# ruff: noqa: S608 -- no value of a caller is in them

VERSION = 1
LOG_ROWS = 10_000
PAGE_ROWS = 1000
NOW = "9223372036854775807"
"""A place in the log that nothing is behind."""

CREATE = """
CREATE TABLE about (version int NOT NULL);
INSERT INTO about VALUES (1);
CREATE UNLOGGED TABLE state (
    one bool PRIMARY KEY DEFAULT true CHECK (one), identity text NOT NULL, last bigint NOT NULL
);
CREATE UNLOGGED TABLE entry (key bytea PRIMARY KEY, blob bytea NOT NULL, until timestamptz NOT NULL);
ALTER TABLE entry ALTER blob SET STORAGE EXTERNAL;
CREATE INDEX entry_until ON entry (until);
CREATE UNLOGGED TABLE fence (
    key bytea PRIMARY KEY, token bytea NOT NULL, leased timestamptz NOT NULL, until timestamptz NOT NULL
);
CREATE UNLOGGED TABLE tags (tag bytea PRIMARY KEY, version bigint NOT NULL);
CREATE UNLOGGED TABLE log (number bigint PRIMARY KEY, key bytea, tag bytea, version bigint);
"""
"""UNLOGGED is four to fifty times faster to write, and empty after a crash: so are then entries, rights,
versions and log together, and another identity tells every reader that its cursor is worth nothing.
EXTERNAL: a blob is compressed already."""

ABOUT = "SELECT about.version::text, state.identity FROM about LEFT JOIN state ON true"
IDENTIFY = "INSERT INTO state (identity, last) VALUES ($1, 0) ON CONFLICT DO NOTHING"

_VERSIONS = """
    array_to_string(ARRAY(
        SELECT coalesce(version, 0) FROM unnest({}::bytea[]) WITH ORDINALITY AS asked (tag, place)
        LEFT JOIN tags USING (tag) ORDER BY place
    ), ' ')"""
GET = f"""
    SELECT blob, extract(epoch FROM until - now())::text, {_VERSIONS.format("$2")}
    FROM entry WHERE key = $1 AND until > now()"""
VERSIONS = f"SELECT {_VERSIONS.format('$1')}"

_UNTIL = "clock_timestamp() + {}::float8 * interval '1 second'"
_HELD = "ON CONFLICT (key) DO UPDATE SET blob = excluded.blob, until = excluded.until"
PUT = f"INSERT INTO entry (key, blob, until) VALUES ($1, $2, {_UNTIL.format('$3')}) {_HELD}"
PUT_WITH_RIGHT = f"""
    WITH allowed AS (
        SELECT FROM fence WHERE key = $1 AND token = $4 AND until > clock_timestamp() FOR NO KEY UPDATE
    )
    INSERT INTO entry (key, blob, until) SELECT $1, $2::bytea, {_UNTIL.format("$3")} FROM allowed {_HELD}"""
"""The row of the right stays locked until the entry is there: who takes the right away waits, and sees it."""

ACQUIRE = f"""
    INSERT INTO fence (key, token, leased, until)
    VALUES ($1, $2, {_UNTIL.format("$3")}, {_UNTIL.format("$4")})
    ON CONFLICT (key) DO UPDATE
    SET token = excluded.token, leased = excluded.leased, until = excluded.until
    WHERE fence.leased <= clock_timestamp()"""
RENEW = f"""
    UPDATE fence SET leased = {_UNTIL.format("$3")}
    WHERE key = $1 AND token = $2 AND leased > clock_timestamp()"""
RELEASE = "DELETE FROM fence WHERE key = $1 AND token = $2"
_TAKE = """
    WITH taken AS MATERIALIZED (SELECT key FROM fence {} ORDER BY key FOR UPDATE)
    DELETE FROM fence WHERE key = ANY (ARRAY(SELECT key FROM taken))"""
"""Locked in one order by all, so that no two wait for each other."""
TAKE_RIGHTS = _TAKE.format("WHERE key = ANY ($1::bytea[])")
TAKE_ALL_RIGHTS = _TAKE.format("")

_COUNTED = "counted AS (UPDATE state SET last = last + {} RETURNING last)"
"""Whoever logs holds the row of the last number until its rows are there for all: numbers have no gap, and
no reader sees one while a lower one is still to come. It is locked first: no two wait for each other."""
_TRIMMED = f"trimmed AS (DELETE FROM log USING counted WHERE number <= last - {LOG_ROWS})"
DELETE = f"""
    WITH {_COUNTED.format("cardinality($1::bytea[])")}, {_TRIMMED},
    gone AS (DELETE FROM entry USING counted WHERE key = ANY ($1::bytea[]) RETURNING 1),
    logged AS (
        INSERT INTO log (number, key) SELECT last - cardinality($1::bytea[]) + place, named.key
        FROM counted, unnest($1::bytea[]) WITH ORDINALITY AS named (key, place)
    )
    SELECT (SELECT count(*) FROM gone)::text FROM counted"""
BUMP = f"""
    WITH {_COUNTED.format("cardinality($1::bytea[])")}, {_TRIMMED},
    bumped AS (
        INSERT INTO tags (tag, version)
        SELECT named.tag, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
        FROM counted, unnest($1::bytea[]) AS named (tag)
        ON CONFLICT (tag) DO UPDATE SET version = greatest(tags.version + 1, excluded.version)
        RETURNING tag, version
    ),
    logged AS (
        INSERT INTO log (number, tag, version)
        SELECT last - cardinality($1::bytea[]) + place, tag, version
        FROM counted, unnest($1::bytea[]) WITH ORDINALITY AS named (tag, place) JOIN bumped USING (tag)
    )
    SELECT tag, version::text FROM bumped"""
"""Versions are microseconds, so that those after a crash are above those that it has taken away."""
LOG_ALL = f"""
    WITH {_COUNTED.format("1")}, {_TRIMMED},
    logged AS (INSERT INTO log (number) SELECT last FROM counted)
    SELECT last::text FROM counted"""
CHANGES = """
    SELECT identity, last::text, log.key, log.tag, log.version::text
    FROM state LEFT JOIN log ON number > $1::bigint ORDER BY number"""

KEYS = f"""
    SELECT key, (until > now())::text FROM entry WHERE key > $1 ORDER BY key LIMIT {PAGE_ROWS}"""
SWEEP = """
    WITH page AS MATERIALIZED (
        SELECT key FROM entry WHERE key > $1 ORDER BY key LIMIT $2::int FOR UPDATE SKIP LOCKED
    ),
    gone AS (DELETE FROM entry WHERE key = ANY (ARRAY(SELECT key FROM page)) RETURNING 1)
    SELECT (SELECT count(*) FROM gone)::text, (SELECT key FROM page ORDER BY key DESC LIMIT 1)"""
PURGE = """
    WITH page AS MATERIALIZED (
        SELECT key FROM entry WHERE until <= now() ORDER BY until LIMIT $1::int FOR UPDATE SKIP LOCKED
    ),
    gone AS (DELETE FROM entry WHERE key = ANY (ARRAY(SELECT key FROM page)) RETURNING 1),
    old AS MATERIALIZED (
        SELECT key FROM fence WHERE greatest(leased, until) <= now() LIMIT $1::int FOR UPDATE SKIP LOCKED
    ),
    freed AS (DELETE FROM fence WHERE key = ANY (ARRAY(SELECT key FROM old)))
    SELECT count(*)::text FROM gone"""

SIZE = "SELECT (pg_relation_size('entry') / current_setting('block_size')::int)::text"
USAGE = """
    SELECT count(*)::text, coalesce(sum(octet_length(blob)), 0)::text
    FROM entry TABLESAMPLE SYSTEM ($1::float4) WHERE until > now()"""
PROBE = f"""
    INSERT INTO fence (key, token, leased, until) VALUES ('', '', now(), {_UNTIL.format("1")})
    ON CONFLICT (key) DO UPDATE SET until = excluded.until"""

BEGIN = "BEGIN; SET LOCAL statement_timeout = {limit_ms}; SET LOCAL lock_timeout = {limit_ms}"
LOCK = "SELECT pg_advisory_xact_lock($1::bigint)::text"
FOUND = """
    WITH own AS (SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1::text))
    SELECT (to_regnamespace($1::text) IS NOT NULL)::text, EXISTS (SELECT FROM own)::text,
        EXISTS (SELECT FROM own WHERE relname = 'about')::text"""
CREATE_SCHEMA = 'CREATE SCHEMA "{schema}";'
