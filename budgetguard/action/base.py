"""The commit that a pull request is compared with, also where the checkout holds one commit alone."""

import base64
import os
from collections.abc import Mapping

from budgetguard.action import runner
from budgetguard.action.event import Event, read_event
from budgetguard.action.inputs import Inputs, read_inputs
from budgetguard.errors import BudgetguardError


def fetch(environment: Mapping[str, str]) -> None:
    """Bring the base of a pull request into a shallow clone; `run` tells what cannot be had.

    A step of its own, because only this one has the token: what is measured never sees it.
    """
    try:
        inputs, event = read_inputs(environment), read_event(environment)
        if event.base:
            os.environ.update(_git_token(environment))
            base_of(inputs, event)
    except BudgetguardError as error:
        runner.say(f"the base is not here: {error}")


def base_of(inputs: Inputs, event: Event) -> str:
    """The commit from which a pull request went apart; "" where there is none to compare with.

    Raises `BudgetguardError` where it cannot be had.
    """
    if not event.base:
        return ""
    from budgetguard.gate.sides.deepening import merge_base
    from budgetguard.gate.sides.history import top_of

    return merge_base(top_of(inputs.folder), event.base, event.merged)


def _git_token(environment: Mapping[str, str]) -> dict[str, str]:
    """Makes git send the token to GitHub, and nothing else that the checkout may have left."""
    token = environment.get("GITHUB_TOKEN", "")
    server = environment.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
    if not token or not server.startswith("https://"):
        return {}
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    key = f"http.{server}/.extraheader"
    return {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": key,
        "GIT_CONFIG_VALUE_0": "",  # an empty one takes back those before it
        "GIT_CONFIG_KEY_1": key,
        "GIT_CONFIG_VALUE_1": f"AUTHORIZATION: basic {basic}",
    }
