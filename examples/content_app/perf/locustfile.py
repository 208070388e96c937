"""The people who use the site: most read an article, some look after a project."""

import random

from locust import FastHttpUser, between, task

PROJECTS = range(1, 13)
ARTICLES = range(1, 49)


class Visitor(FastHttpUser):
    """Looks at something for a second or two and goes on; each page asks what the front end asks."""

    wait_time = between(1, 2)

    @task(6)
    def read(self) -> None:
        """An article, and the visit counted."""
        number = random.choice(ARTICLES)  # seeded by budgetguard
        self.client.get(f"/api/articles/{number}", name="/api/articles/:id")
        self.client.post(
            f"/api/articles/{number}/events",
            json={"kind": "view"},
            name="/api/articles/:id/events",
        )

    @task(3)
    def browse(self) -> None:
        """A project's articles, and the searches behind them."""
        project = _project()
        self.client.get(f"{project}/articles", name="/api/projects/:id/articles")
        self.client.get(f"{project}/searches", name="/api/projects/:id/searches")

    @task(2)
    def dashboard(self) -> None:
        """Who reads a project."""
        self.client.get(f"{_project()}/analytics", name="/api/projects/:id/analytics")

    @task(1)
    def arrive(self) -> None:
        """The page itself, and the list it opens with."""
        self.client.get("/")
        self.client.get("/api/users")


def _project() -> str:
    return f"/api/projects/{random.choice(PROJECTS)}"
