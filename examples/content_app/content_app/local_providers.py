"""The three provider APIs in one small local server, so that demo and tests run offline.

`python -m content_app.local_providers` prints its address and serves until it is stopped.
"""

import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from content_app import sample_text

MAX_BODY_BYTES = 1_000_000
_PAGE_URL = re.compile(r"https://site-(\d+)\.example/([\w-]+)")

Json = dict[str, Any]


class BadRequest(Exception):
    """The request does not fit the API."""


def search(query: Json) -> Json:
    """SerpApi's answer to `GET /search.json`."""
    keyword, limit = query.get("q"), int(query.get("num", 10))
    if not keyword:
        raise BadRequest("Missing query `q` parameter.")
    pages = [sample_text.page(keyword, position) for position in range(1, min(limit, 100) + 1)]
    hits = [
        {"position": position, "title": page.title, "link": page.url, "snippet": page.title}
        for position, page in enumerate(pages, start=1)
    ]
    return {
        "search_metadata": {"status": "Success"},
        "search_parameters": {"engine": "google", "q": keyword, "num": str(limit)},
        "organic_results": hits,
        "related_questions": [{"question": text} for text in sample_text.questions(keyword)],
    }


def scrape(body: Json) -> Json:
    """Firecrawl's answer to `POST /v2/scrape`."""
    match = _PAGE_URL.fullmatch(str(body.get("url")))
    if match is None:
        raise BadRequest("Invalid URL")
    page = sample_text.page(match[2].replace("-", " "), int(match[1]))
    metadata = {"title": page.title, "sourceURL": page.url, "statusCode": 200}
    return {"success": True, "data": {"markdown": page.markdown, "metadata": metadata}}


def complete(body: Json) -> Json:
    """OpenAI's answer to `POST /v1/chat/completions`."""
    messages = body.get("messages") or []
    if not messages:
        raise BadRequest("'messages' is too short")
    prompt = "\n".join(str(message["content"]) for message in messages)
    headings = re.findall(r"^- (.+)$", prompt, re.MULTILINE)
    keyword = re.search(r'"(.+?)"', prompt)
    topic = keyword[1] if keyword else "writing"
    text = sample_text.sections(topic, headings or ["Overview"], random.Random(prompt))
    # About four characters make a token, by OpenAI's own rule of thumb.
    asked, answered = len(prompt) // 4, len(text) // 4
    return {
        "id": "chatcmpl-local",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model", ""),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
        },
    }


_ROUTES: dict[tuple[str, str], Callable[[Json], Json]] = {
    ("GET", "/search.json"): search,
    ("POST", "/v2/scrape"): scrape,
    ("POST", "/v1/chat/completions"): complete,
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A client that goes quiet must not hold its thread for ever.
    timeout = 60
    # Headers and body leave as two packets; without this the second waits for an acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self._answer("GET", url.path, query, authorized="api_key" in query)

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        if size > MAX_BODY_BYTES:
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": "body too large"})
            return
        raw = self.rfile.read(size)
        bearer = self.headers.get("Authorization", "").startswith("Bearer ")
        try:
            body = json.loads(raw)
        except ValueError:
            self._send(HTTPStatus.BAD_REQUEST, {"error": "body is not JSON"})
            return
        self._answer("POST", self.path, body, authorized=bearer)

    def _answer(self, method: str, path: str, body: Json, *, authorized: bool) -> None:
        route = _ROUTES.get((method, path))
        if route is None:
            self._send(HTTPStatus.NOT_FOUND, {"error": "no such route"})
        elif not authorized:
            self._send(HTTPStatus.UNAUTHORIZED, {"error": "missing API key"})
        else:
            try:
                self._send(HTTPStatus.OK, route(body))
            except (BadRequest, ValueError, TypeError, KeyError) as error:
                self._send(HTTPStatus.BAD_REQUEST, {"error": str(error)})

    def _send(self, status: HTTPStatus, answer: Json) -> None:
        payload = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            # The body was not read, so nothing more can be read from this connection.
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        """Stay quiet: the app has its own log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def running() -> Iterator[str]:
    """Serve from a thread of this process on a free port; gives the base URL."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        Thread(target=server.serve_forever, name="local-providers", daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def main() -> None:
    """Serve from this process until it is stopped."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
