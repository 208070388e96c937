"""Demo data: the same rows for the same day, whoever runs it."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from content_app import sample_text
from content_app.generation import COMPETITORS, Draft, finish, outline, store, study
from content_app.models import AnalyticsEvent, Article, EventKind, Project, User
from content_app.providers import Completion, SearchHit

DAYS = 30
_TOPICS = {
    "Ada Marsh": {
        "Kitchen Garden": ("raised beds", "compost", "tomato seeds", "drip irrigation"),
        "Slow Coffee": ("pour over coffee", "burr grinders", "milk foam", "coffee storage"),
        "Trail Notes": ("hiking boots", "rain jackets", "trail food", "map reading"),
        "Small Flats": ("folding tables", "wall shelves", "plant lights", "sofa beds"),
    },
    "Ben Okoro": {
        "Home Studio": ("studio monitors", "room treatment", "audio cables", "microphones"),
        "City Cycling": ("cargo bikes", "bike locks", "winter tyres", "bike lights"),
        "Board Room": ("board games", "card sleeves", "game storage", "miniature paint"),
        "Bread Lab": ("sourdough starter", "rye flour", "baking stones", "proofing baskets"),
    },
    "Chiara Lindt": {
        "Paper and Ink": ("fountain pens", "notebook paper", "bottled ink", "pen repair"),
        "Quiet Aquarium": ("aquarium plants", "water tests", "fish food", "canister filters"),
        "Field Optics": ("binoculars", "spotting scopes", "lens cleaning", "tripods"),
        "Mending Basket": ("darning wool", "sewing machines", "denim patches", "zip repair"),
    },
}


def seed(session: Session, today: date) -> None:
    """Fill an empty database: 3 users, 12 projects, 48 articles, and their visits up to `today`."""
    started = datetime.combine(today, time(9), UTC) - timedelta(days=DAYS)
    for name, projects in _TOPICS.items():
        user = User(name=name, email=f"{name.split()[0].lower()}@example.com")
        session.add(user)
        for project_name, keywords in projects.items():
            project = Project(name=project_name, owner=user, created_at=started)
            session.add(project)
            session.flush()
            for day, keyword in enumerate(keywords):
                article = store(session, project.id, _draft(keyword))
                article.created_at = article.search.created_at = started + timedelta(days=day)
    session.flush()
    session.execute(insert(AnalyticsEvent), list(_visits(session, today)))


def _draft(keyword: str) -> Draft:
    pages = [sample_text.page(keyword, position) for position in range(1, COMPETITORS + 1)]
    hits = [SearchHit(at, page.title, page.url) for at, page in enumerate(pages, start=1)]
    research = study(keyword, hits, [page.markdown for page in pages])
    text = sample_text.sections(keyword, outline(research), random.Random(keyword))
    return finish(research, Completion(text, tokens=len(text) // 4))


def _visits(session: Session, today: date) -> Iterator[dict[str, object]]:
    for article_id in session.scalars(select(Article.id).order_by(Article.id)):
        source = random.Random(article_id)
        favour = source.uniform(0.5, 2.0)
        for back in range(DAYS):
            day = today - timedelta(days=back)
            # Interest grows with time and rests at the weekend.
            mean = favour * (1.5 if day.weekday() < 5 else 0.8) * (1.6 - back / DAYS)
            views = round(source.uniform(0.6, 1.4) * mean * 3)
            for view in range(views):
                yield {"article_id": article_id, "kind": EventKind.VIEW, "day": day}
                if view % 3 == 0:
                    yield {"article_id": article_id, "kind": EventKind.READ, "day": day}
