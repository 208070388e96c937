"""FastHttpUsers that think a second between two requests."""

from locust import FastHttpUser, between, task


class Thinking(FastHttpUser):
    """One request a second, about."""

    wait_time = between(0.5, 1.5)

    @task
    def visit(self) -> None:
        """One request."""
        self.client.get("/")
