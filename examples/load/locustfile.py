"""Customers of the shop: they look at items, and one look in ten ends in a purchase."""

from locust import FastHttpUser, between, task


class Customer(FastHttpUser):
    """Thinks for half a second to one and a half."""

    wait_time = between(0.5, 1.5)

    @task(9)
    def look(self) -> None:
        """The list."""
        self.client.get("/items")

    @task(1)
    def buy(self) -> None:
        """The end of a visit."""
        self.client.get("/checkout")
