"""What a Redis tier does in one step: Lua, for Redis 6.2 or newer and Valkey.

An entry begins with the era in which it was put, and a fence too. The era is a member of the sorted set
of versions: whatever makes the server forget the versions (a flush, an eviction) ends it, and with it all
that was put while they were known. To clear is to end it.

Eras and versions are microseconds of the server's clock, so that none is used twice, also after they were
forgotten; while a version is known, the next one is later even if the clock goes back. Their 16 digits
are exact as a score, below 2^53.
"""

import hashlib
from dataclasses import dataclass

_ERA_BYTES = 16
_LOG_ENTRIES = 10_000
"""About so many invalidations are remembered; who has missed more is told so."""
LONGEST_S = 30 * 24 * 3600
"""No entry lives longer, so that the versions which outdate it do."""
_VERSION_LIFE_S = LONGEST_S + 24 * 3600

_SHARED = f"""
local ERA = '\\255'  -- no tag is called so: it is no UTF-8
local LAST = {_ERA_BYTES} - 1

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function digits(number)
  return string.format('%.0f', number)
end

local function era(versions)
  local score = redis.call('ZSCORE', versions, ERA)
  if score then
    return digits(-score)
  end
  local begun = digits(now())
  redis.call('ZADD', versions, '-' .. begun, ERA)  -- below 0, where no version is dropped for its age
  return begun
end

local function note(log, ...)
  redis.call('XADD', log, 'MAXLEN', '~', {_LOG_ENTRIES}, '*', ...)
end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the name under which a server that has run it knows it."""

    text: str
    sha: str


def _script(body: str) -> Script:
    text = f"{_SHARED}{body}"
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


GET = _script("""
local size = redis.pcall('STRLEN', KEYS[1])  -- an error where somebody has put something else there
if type(size) ~= 'number' or size <= LAST or size > LAST + 1 + ARGV[1] then
  return false
end
local score = redis.call('ZSCORE', KEYS[2], ERA)
if not score or redis.call('GETRANGE', KEYS[1], 0, LAST) ~= digits(-score) then
  return false
end
local answer = {redis.call('GETRANGE', KEYS[1], LAST + 1, -1), redis.call('PTTL', KEYS[1])}
for i = 2, #ARGV do
  answer[i + 1] = redis.call('ZSCORE', KEYS[2], ARGV[i]) or '0'
end
return answer
""")
"""KEYS entry, versions; ARGV most bytes, tags: nothing, or the blob, milliseconds left, versions."""

PUT = _script("""
local era = era(KEYS[3])
if ARGV[3] ~= '' and redis.call('GET', KEYS[2]) ~= era .. ARGV[3] then
  return 0
end
redis.call('SET', KEYS[1], era .. ARGV[1], 'PX', ARGV[2])
return 1
""")
"""KEYS entry, fence, versions; ARGV blob, milliseconds, token: whether it was put."""

DELETE = _script("""
local held = 0
for i, key in ipairs(ARGV) do
  held = held + redis.call('UNLINK', KEYS[2 * i])
  redis.call('DEL', KEYS[2 * i + 1])
  note(KEYS[1], 'key', key)  -- after a removal: a full server takes it then
end
return held
""")
"""KEYS log, then an entry and a fence for each of ARGV, keys: how many were held."""

ACQUIRE = _script("""
local era = era(KEYS[3])
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 0
end
redis.call('SET', KEYS[2], era .. ARGV[1], 'PX', ARGV[3])
return 1
""")
"""KEYS lease, fence, versions; ARGV token, milliseconds of the lease, of the fence: whether it is ours."""

RENEW = _script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")
"""KEYS lease; ARGV token, milliseconds: whether it is still ours."""

RELEASE = _script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
if redis.call('GETRANGE', KEYS[2], LAST + 1, -1) == ARGV[1] then
  redis.call('DEL', KEYS[2])
end
""")
"""KEYS lease, fence; ARGV token."""

BUMP = _script(f"""
local told, moment = {{}}, now()
for i, tag in ipairs(ARGV) do
  local version = math.max(moment, (redis.call('ZSCORE', KEYS[1], tag) or 0) + 1)
  redis.call('ZADD', KEYS[1], digits(version), tag)
  note(KEYS[2], 'tag', tag, 'version', digits(version))
  told[i] = digits(version)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, digits(moment - {_VERSION_LIFE_S}000000))
return told
""")
"""KEYS versions, log; ARGV tags: their new versions."""

CLEAR = _script("""
redis.call('ZREM', KEYS[1], ERA)
note(KEYS[2], 'all', '1')  -- after a removal: a full server takes it then
""")
"""KEYS versions, log: from now on nothing that was put before is found."""

SWEEP = _script("""
local score, removed = redis.call('ZSCORE', KEYS[1], ERA), 0
local era = score and digits(-score)
for i = 2, #KEYS do
  if redis.pcall('GETRANGE', KEYS[i], 0, LAST) ~= era then
    removed = removed + redis.call('UNLINK', KEYS[i])
  end
end
return removed
""")
"""KEYS versions, then entries: how many were of an era that has ended, and are removed."""
