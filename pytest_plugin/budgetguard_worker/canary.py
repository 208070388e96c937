"""The canary: code that is the same on both sides, measured like any other."""


def canary() -> int:
    """About a tenth of a millisecond of pure Python: names, integers, a dict and a list."""
    seen: dict[int, int] = {}
    total = 0
    for number in range(600):
        key = number * 7919 % 101
        seen[key] = seen.get(key, 0) + number
        total += seen[key] & 255
    return total + sum(sorted(seen.values()))
