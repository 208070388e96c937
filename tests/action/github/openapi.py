"""Checks requests and answers against the cut of GitHub's OpenAPI document in ../data."""

import copy
import datetime as dt
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

DOCUMENT = Path(__file__).resolve().parents[1] / "data" / "github-openapi.json"
INTEGER = re.compile(r"-?[0-9]+\Z")
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    """RFC 3339 asks for an offset; a time without one says nothing."""
    return not isinstance(value, str) or dt.datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urllib.parse.urlsplit(value).scheme)


@dataclass(frozen=True)
class Operation:
    """One method on one path of the document, and what the path of a request named."""

    method: str
    template: str
    described: Mapping[str, Any]
    named: Mapping[str, str]

    @property
    def name(self) -> str:
        """GitHub's own name of the call, such as `issues/create-comment`."""
        return str(self.described["operationId"])

    @property
    def documentation_url(self) -> str:
        """The page that GitHub names in its errors."""
        return str(self.described["externalDocs"]["url"])


class Document:
    """The cut document, with OpenAPI 3.0's dialect turned into JSON Schema 2020-12."""

    def __init__(self, path: Path = DOCUMENT) -> None:
        document = json.loads(path.read_text("utf-8"))
        self.paths: dict[str, Any] = document["paths"]
        self.components: dict[str, Any] = _translated(document["components"])
        _allow_deleted_fork(self.components["schemas"])

    def operation(self, method: str, path: str) -> Operation | None:
        """Find the operation of a decoded path; None is a call that the Action has no business with."""
        for template, methods in self.paths.items():
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            found = re.fullmatch(pattern, path)
            if found and method.lower() in methods:
                return Operation(method, template, methods[method.lower()], found.groupdict())
        return None

    def request_faults(
        self, operation: Operation, query: Mapping[str, list[str]], body: object
    ) -> Iterator[str]:
        """Tell what the document does not allow in a request; an unknown name is a slip of the pen."""
        parameters = [self._resolved(each) for each in operation.described.get("parameters", ())]
        given = {"path": {k: [v] for k, v in operation.named.items()}, "query": dict(query)}
        for each in parameters:
            values = given[each["in"]].pop(each["name"], [])
            if len(values) > 1:
                yield f"{each['in']} parameter {each['name']} is given {len(values)} times"
            if not values and each.get("required"):
                yield f"{each['in']} parameter {each['name']} is missing"
            for value in values:
                yield from self._faults(_read(value, each["schema"]), each["schema"], each["name"])
        for where, left in given.items():
            yield from (f"{where} parameter {name} is not documented" for name in left)
        yield from self._body_faults(operation.described.get("requestBody"), body)

    def answer_faults(self, operation: Operation, status: int, body: object) -> Iterator[str]:
        """Tell where an answer is not what GitHub documents; an error without a page is a basic one."""
        answer = operation.described["responses"].get(str(status))
        if answer is None and status < 400:
            yield f"{operation.name} is not documented to answer {status}"
            return
        content = self._resolved(answer or {}).get("content", {})
        if answer is not None and not content and status < 400:
            if body is not None:
                yield f"{operation.name} answers {status} without a body"
            return
        basic = {"$ref": "#/components/schemas/basic-error"}
        schema = content.get("application/json", {}).get("schema", basic)
        yield from self._faults(body, schema, f"answer {status}")

    def _body_faults(self, described: Mapping[str, Any] | None, body: object) -> Iterator[str]:
        if described is None:
            if body is not None:
                yield "a body where none is documented"
            return
        schema = described["content"]["application/json"]["schema"]
        yield from self._faults(body, schema, "body")
        if isinstance(body, dict):
            unknown = body.keys() - schema["properties"].keys()
            yield from (f"body: {name} is not documented" for name in sorted(unknown))

    def _faults(self, value: object, schema: Mapping[str, Any], what: str) -> Iterator[str]:
        whole = {"allOf": [_translated(schema)], "components": self.components}
        checker = Draft202012Validator(whole, format_checker=FORMATS)
        for fault in checker.iter_errors(value):
            yield f"{what}{fault.json_path[1:]}: {fault.message[:300]}"

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in node:
            return node
        _, _, kind, name = node["$ref"].split("/")
        resolved: Mapping[str, Any] = self.components[kind][name]
        return resolved


def _read(value: str, schema: Mapping[str, Any]) -> int | bool | str:
    """A parameter comes as text; what is no number stays text and fails its type."""
    if schema.get("type") == "integer" and INTEGER.match(value):
        return int(value)
    if schema.get("type") == "boolean" and value in {"true", "false"}:
        return value == "true"
    return value


def _translated(node: Any, *, names: bool = False) -> Any:
    """Turn OpenAPI 3.0's `nullable` into a type; beside a `$ref` it means nothing, as 3.0 says."""
    if isinstance(node, list):
        return [_translated(each) for each in node]
    if not isinstance(node, dict):
        return node
    if not names and isinstance(node.get("$ref"), str):
        return {"$ref": node["$ref"]}
    made = {
        key: copy.deepcopy(value)
        if key == "enum" and not names
        else _translated(value, names=key == "properties" and not names)
        for key, value in node.items()
        if names or key not in {"nullable", "discriminator"}
    }
    if names or node.get("nullable") is not True:
        return made
    return {"anyOf": [made, {"type": "null"}]}


def _allow_deleted_fork(schemas: dict[str, Any]) -> None:
    """GitHub answers `"repo": null` once a fork is deleted, which its document does not tell."""
    head = schemas["pull-request-simple"]["properties"]["head"]["properties"]
    head["repo"] = {"anyOf": [head["repo"], {"type": "null"}]}
