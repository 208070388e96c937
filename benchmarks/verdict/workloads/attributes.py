"""Interpreter work: attributes, method calls, dictionaries and branches."""

from contextlib import contextmanager

UNITS = 200


class Account:
    """An object with state and one method."""

    def __init__(self, name, balance):
        self.name = name
        self.balance = balance

    def book(self, amount):
        """Change the balance and tell it."""
        if amount > 0:
            self.balance += amount
        else:
            self.balance -= 1
        return self.balance


@contextmanager
def prepared():
    yield {f"account {number}": Account(f"account {number}", number) for number in range(60)}


def run(accounts):
    booked = 0
    for unit in range(UNITS):
        booked += book_all(accounts, unit % 7 - 3)
    return booked


def book_all(accounts, amount):
    totals = {}
    for name, account in accounts.items():
        totals[name] = account.book(amount)
    return len(totals)
