"""One comment per key: found again on every page, replaced in place, never somebody else's."""

import pytest

from budgetguard.action.api import ApiError, GitHub
from budgetguard.action.comment import marker, put_comment
from budgetguard.gate.report.markdown import LARGEST

BOT = "github-actions[bot]"
NUMBER = 7


@pytest.fixture
def pull(github):
    """The fake with an open pull request."""
    github.add_pull_request(NUMBER, branch="faster", sha="a" * 40)
    return github


def put(fake, text, *, key="budgetguard", only_update=False, token=None, fakes):
    """Put a comment as the Action does."""
    with GitHub(fake.url, fakes.REPOSITORY, token or fakes.TOKEN) as client:
        return put_comment(client, NUMBER, key, text, only_update=only_update)


@pytest.fixture
def written(pull, action_fakes):
    """Puts a comment and returns all bodies under the pull request."""

    def write(text, **more):
        url = put(pull, text, fakes=action_fakes, **more)
        return url, [one.body for one in pull.comments_of(NUMBER)]

    return write


def test_begun_then_replaced(pull, written):
    """The first run writes it, the next ones replace it; the same text is not sent again."""
    url, bodies = written("red\n")
    assert bodies == [f"{marker('budgetguard')}red\n"]
    assert url.endswith(f"#issuecomment-{pull.comments[0].id}")
    again, bodies = written("green\n")
    assert (again, bodies) == (url, [f"{marker('budgetguard')}green\n"])
    written("green\r\n")
    assert len(pull.asked("issues/update-comment")) == 1


def test_found_behind_many_others(pull, written):
    """A comment beyond the first page is the same comment."""
    written("red")
    first = pull.comments.pop()
    for number in range(230):
        pull.add_comment(NUMBER, f"talk {number}", login="somebody")
    pull.comments.append(first)
    _, bodies = written("green")
    assert len(bodies) == 231
    assert bodies[-1].endswith("green")


def test_comments_of_others_stay(pull, written):
    """A person who copies our first line keeps their comment, and gets no say in ours."""
    pull.add_comment(NUMBER, f"{marker('budgetguard')}all is well", login="impostor")
    pull.add_comment(NUMBER, f"> {marker('budgetguard')}quoted", login=BOT, kind="Bot")
    _, bodies = written("red")
    assert [body.splitlines()[-1] for body in bodies] == ["all is well", "quoted", "red"]


def test_keys_tell_comments_apart(written):
    """Two keys are two comments, also where one key begins like the other."""
    written("a", key="web")
    _, bodies = written("b", key="web-2")
    assert bodies == [f"{marker('web')}a", f"{marker('web-2')}b"]


def test_by_a_personal_token(pull, written, action_fakes):
    """With a person's token the comment is that person's, and a bot's is not."""
    pull.tokens["personal"] = action_fakes.personal("dev")
    pull.add_comment(NUMBER, f"{marker('budgetguard')}by the bot", login=BOT, kind="Bot")
    written("one", token="personal")
    _, bodies = written("two", token="personal")
    assert [body.splitlines()[-1] for body in bodies] == ["by the bot", "two"]


def test_deleted_between_two_calls(pull, written, action_fakes):
    """A comment that is deleted while it is replaced is written anew."""
    written("red")
    gone = action_fakes.answers.refused(404, "Not Found").answer
    pull.next(action_fakes.Fault(gone), operation="issues/update-comment")
    _, bodies = written("green")
    assert len(bodies) == 2


def test_only_where_one_stands(pull, written):
    """With `only_update` nothing is begun, but what stands is brought up to date."""
    assert written("green", only_update=True) == ("", [])
    written("red")
    _, bodies = written("green", only_update=True)
    assert bodies == [f"{marker('budgetguard')}green"]


def test_never_longer_than_github_takes(pull, written):
    """A text of any length is cut to what GitHub takes."""
    _, bodies = written("ä" * 70_000)
    assert len(bodies[0]) == LARGEST


def test_no_such_pull_request(written, pull):
    """A pull request that is gone is an error with GitHub's words, and nothing is written."""
    pull.pull_requests.clear()
    with pytest.raises(ApiError, match="404 Not Found"):
        written("red")
