"""Cut GitHub's OpenAPI document to the calls of the Action; run by hand as data/NOTICE.md tells."""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OPERATIONS = {
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": ("get", "post"),
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": ("patch",),
    "/user": ("get",),
    "/repos/{owner}/{repo}/pulls": ("get",),
    "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts": ("get",),
    "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}": ("get",),
}
ALWAYS = ("basic-error", "validation-error")  # what an answer holds whose status is not documented
PROSE = ("description", "summary", "title", "example", "examples", "tags", "deprecated")
EXAMPLES = {
    "artifact": "artifact-paginated",
    "comment": "issue-comment",
    "pull_request": "pull-request-simple-items",
    "user": "private-user-response-with-public-and-private-profile-information",
}


def main() -> None:
    """Read both packages in the folder given; write the cut and GitHub's own examples of answers."""
    octokit, data = Path(sys.argv[1]), HERE / "data"
    source = json.loads((octokit / "openapi/generated/api.github.com.json").read_text("utf-8"))
    events = json.loads(
        (octokit / "webhooks-examples/api.github.com/index.json").read_text("utf-8")
    )
    (data / "github-openapi.json").write_text(_compact(cut(source)), "utf-8")
    examples = source["components"]["examples"]
    answers = {name: _first(examples[key]["value"]) for name, key in EXAMPLES.items()}
    answers["app"] = github_actions(events)
    (data / "github-answers.json").write_text(_compact(answers), "utf-8")


def cut(source: dict[str, Any]) -> dict[str, Any]:
    """Keep the operations of the Action and exactly the components that they refer to."""
    paths = {
        path: {method: _without_prose(source["paths"][path][method]) for method in methods}
        for path, methods in OPERATIONS.items()
    }
    found: dict[str, dict[str, Any]] = {}
    waiting = sorted({*_references(paths), *(f"#/components/schemas/{name}" for name in ALWAYS)})
    while waiting:
        _, _, kind, name = waiting.pop().split("/")
        if name not in found.setdefault(kind, {}):
            found[kind][name] = _without_prose(source["components"][kind][name])
            waiting += _references(found[kind][name])
    components = {kind: dict(sorted(found[kind].items())) for kind in sorted(found)}
    info = {key: source["info"][key] for key in ("title", "version", "license")}
    return {"openapi": source["openapi"], "info": info, "paths": paths, "components": components}


def _without_prose(node: Any, *, names: bool = False) -> Any:
    """Drop what validates nothing; the keys of `properties` are names, even `title`."""
    if isinstance(node, list):
        return [_without_prose(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: value
        if key == "enum" and not names
        else _without_prose(value, names=key == "properties" and not names)
        for key, value in node.items()
        if names or not (key in PROSE or key.startswith("x-"))
    }


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for each in node for found in _references(each)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for each in node.values() for found in _references(each)]


def github_actions(node: Any) -> dict[str, Any] | None:
    """Find the app "GitHub Actions" as GitHub shows it in a payload."""
    if isinstance(node, dict) and node.get("slug") == "github-actions" and "owner" in node:
        return node
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return next((app for each in inner if (app := github_actions(each))), None)


def _first(value: Any) -> Any:
    value = value.get("artifacts", value) if isinstance(value, dict) else value
    return value[0] if isinstance(value, list) else value


def _compact(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
