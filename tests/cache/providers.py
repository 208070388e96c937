"""OpenAI, Firecrawl, SerpApi and Google's Custom Search in one local server that speaks their formats.

    with providers.running() as provider:
        answer = providers.ask(provider.url, "POST", "/v1/chat/completions", body)
        assert provider.count("/v1/chat/completions") == 1

Answers depend on what is asked, but for ids and times, which no two answers share. `reply_next` queues
answers of one's own: errors, halves, whatever a provider may send.
"""

import hashlib
import itertools
import json
import math
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

Json = Any
_number = itertools.count(1)
PNG = "iVBORw0KGgo="


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that has come in."""

    method: str
    path: str
    body: Json


@dataclass(frozen=True, slots=True)
class Stream:
    """Server-sent events; one that breaks has no end."""

    events: list[Json]
    done: bool = True


class Refusal(Exception):
    """The request does not fit the API: status and body."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(status)
        self.status, self.body = status, body


@dataclass
class Provider:
    """A server that is running: where it is, what it was asked, and what it shall answer next."""

    url: str
    delay_s: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    replies: dict[str, deque[tuple[int, Json]]] = field(default_factory=lambda: defaultdict(deque))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        with self.lock:
            return sum(each.path == path for each in self.asked)

    def reply_next(self, path: str, body: Json, status: int = 200) -> None:
        """What the next request of a path gets, instead of an answer to what it asks."""
        with self.lock:
            self.replies[path].append((status, body))


def ask(url: str, method: str, path: str, body: Json, key: str = "sk-test") -> tuple[int, Json]:
    """Ask as a client does: status and answer; a stream comes as the list of its events."""
    address, data = f"{url}{path}", None
    if method == "GET":
        address += f"?{urlencode(body, doseq=True)}" if body else ""
    else:
        data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(address, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            status, kind, text = (
                response.status,
                response.headers.get_content_type(),
                response.read(),
            )
    except urllib.error.HTTPError as error:
        with error:
            status, kind, text = error.code, error.headers.get_content_type(), error.read()
    if kind == "text/event-stream":
        lines = [line[6:] for line in text.decode().splitlines() if line.startswith("data: ")]
        return status, [json.loads(line) for line in lines if line != "[DONE]"]
    return status, json.loads(text)


def _digest(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _tokens(text: str) -> int:
    return max(1, math.ceil(len(text) / 4))


def _text_of(content: Json) -> str:
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content or () if isinstance(part, dict))


def _bad(message: str) -> Refusal:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return Refusal(400, {"error": error})


# --- OpenAI


def _chat(body: Json) -> Json:
    messages = body.get("messages")
    if not messages or not body.get("model"):
        raise _bad("you must provide a model and messages")
    asked = " ".join(_text_of(message.get("content")) for message in messages)
    text = f"About {asked[:200]}: {_digest(asked)[:12]}"
    usage = {
        "prompt_tokens": _tokens(asked),
        "completion_tokens": _tokens(text),
        "total_tokens": _tokens(asked) + _tokens(text),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    head = {
        "id": f"chatcmpl-{next(_number)}",
        "created": int(time.time()),
        "model": body["model"],
        "service_tier": "default",
        "system_fingerprint": "fp_test",
    }
    if body.get("stream"):
        return _chat_stream(head, text, usage, body)
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"}
        for index in range(body.get("n") or 1)
    ]
    return {**head, "object": "chat.completion", "choices": choices, "usage": usage}


def _chat_stream(head: Json, text: str, usage: Json, body: Json) -> Stream:
    head = {**head, "object": "chat.completion.chunk"}

    def chunk(delta: Json, reason: str | None = None) -> Json:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"content": f"{word} "}) for word in text.split()]
    events.append(chunk({}, "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append({**head, "choices": [], "usage": usage})
    return Stream(events)


def _responses(body: Json) -> Json:
    if not body.get("input") or not body.get("model"):
        raise _bad("you must provide a model and an input")
    given = body["input"]
    asked = (
        given
        if isinstance(given, str)
        else " ".join(_text_of(item.get("content")) for item in given)
    )
    text = f"About {asked[:200]}: {_digest(asked)[:12]}"
    part = {"type": "output_text", "text": text, "annotations": []}
    number = next(_number)
    answer = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": body["model"],
        "output": [
            {
                "type": "message",
                "id": f"msg_{number}",
                "status": "completed",
                "role": "assistant",
                "content": [part],
            }
        ],
        "usage": {
            "input_tokens": _tokens(asked),
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": _tokens(text),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": _tokens(asked) + _tokens(text),
        },
    }
    if not body.get("stream"):
        return answer
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    deltas = [{"type": "response.output_text.delta", "delta": f"{word} "} for word in text.split()]
    return Stream(
        [
            {"type": "response.created", "response": begun},
            *deltas,
            {"type": "response.completed", "response": answer},
        ]
    )


def _embeddings(body: Json) -> Json:
    given = body.get("input")
    if not given:
        raise _bad("input cannot be an empty string")
    single = isinstance(given, str) or isinstance(given[0], int)
    inputs = [given] if single else given
    size = body.get("dimensions") or 8
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": [
                int(_digest([each, axis])[:6], 16) / 0xFFFFFF - 0.5 for axis in range(size)
            ],
        }
        for index, each in enumerate(inputs)
    ]
    tokens = sum(_tokens(each) if isinstance(each, str) else len(each) for each in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def _moderations(body: Json) -> Json:
    given = body.get("input")
    inputs = given if isinstance(given, list) else [given]
    results = [
        {
            "flagged": "kill" in str(each),
            "categories": {"violence": "kill" in str(each)},
            "category_scores": {"violence": 0.9 if "kill" in str(each) else 0.001},
        }
        for each in inputs
    ]
    return {
        "id": f"modr-{next(_number)}",
        "model": body.get("model", "omni-moderation-latest"),
        "results": results,
    }


def _images(body: Json) -> Json:
    if not body.get("prompt"):
        raise _bad("prompt is required")
    text, drawn = _tokens(body["prompt"]), 1056
    return {
        "created": int(time.time()),
        "data": [{"b64_json": PNG} for _ in range(body.get("n") or 1)],
        "background": "opaque",
        "output_format": "png",
        "quality": "medium",
        "size": "1024x1024",
        "usage": {
            "input_tokens": text,
            "input_tokens_details": {"text_tokens": text, "image_tokens": 0},
            "output_tokens": drawn,
            "output_tokens_details": {"text_tokens": 0, "image_tokens": drawn},
            "total_tokens": text + drawn,
        },
    }


# --- Firecrawl


def _firecrawl_error(status: int, message: str, code: str = "BAD_REQUEST") -> Refusal:
    return Refusal(status, {"success": False, "code": code, "error": message})


def _scrape(body: Json) -> Json:
    url = body.get("url")
    if not isinstance(url, str) or "." not in url:
        raise _firecrawl_error(400, "Invalid URL")
    kinds = [
        each["type"] if isinstance(each, dict) else each
        for each in body.get("formats") or ["markdown"]
    ]
    page = {
        "markdown": f"# {urlsplit(url).path}\n\n{_digest(url)[:12]}",
        "html": "<h1>page</h1>",
        "rawHtml": "<html><h1>page</h1></html>",
        "links": [f"{url}#more"],
        "json": {"title": "page"},
        "screenshot": "https://service.firecrawl.dev/screenshot.png",
    }
    metadata = {
        "title": "page",
        "sourceURL": url,
        "url": url,
        "statusCode": 200,
        "scrapeId": f"scrape-{next(_number)}",
        "cachedAt": time.time(),
        "creditsUsed": 1 + 4 * ("json" in kinds),
        "proxyUsed": "basic",
    }
    data = {kind: page[kind] for kind in kinds if kind in page}
    return {"success": True, "data": {**data, "metadata": metadata}}


def _search(body: Json) -> Json:
    query = body.get("query")
    if not query:
        raise _firecrawl_error(400, "query is required")
    found = [
        {
            "url": f"https://site-{position}.example/{_digest(query)[:8]}",
            "title": query,
            "description": "about it",
            "position": position,
        }
        for position in range(1, (body.get("limit") or 5) + 1)
    ]
    return {"success": True, "data": found, "id": f"search-{next(_number)}"}


def _search_v2(body: Json) -> Json:
    answer = _search(body)
    found = answer["data"]
    return {**answer, "data": {"web": found}, "creditsUsed": 2 * math.ceil(len(found) / 10)}


def _map(body: Json) -> Json:
    return {"success": True, "links": [body["url"], f"{body['url']}/about"]}


def _map_v2(body: Json) -> Json:
    return {
        "success": True,
        "links": [{"url": link, "title": "page"} for link in _map(body)["links"]],
    }


def _crawl(body: Json) -> Json:
    job = f"job-{next(_number)}"
    return {"success": True, "id": job, "url": f"https://api.firecrawl.dev/v2/crawl/{job}"}


def _crawl_status(_body: Json) -> Json:
    pages = [{"markdown": "# page", "metadata": {"statusCode": 200}}] * 3
    about = {"total": 3, "completed": 3, "creditsUsed": 3, "next": None}
    return {"success": True, "status": "completed", **about, "data": pages}


# --- searches


def _serpapi(query: Json) -> Json:
    if not query.get("api_key"):
        raise Refusal(401, {"error": "Invalid API key."})
    if not query.get("q"):
        raise Refusal(400, {"error": "Missing query `q` parameter."})
    words = query["q"].lower().split()
    metadata = {"id": f"search{next(_number)}", "status": "Success", "created_at": time.time()}
    about = {"engine": query.get("engine", "google"), "q": query["q"]}
    if "nothingness" in words:
        state = {"organic_results_state": "Fully empty"}
        return {
            "search_metadata": metadata,
            "search_parameters": about,
            "search_information": state,
            "error": "Google hasn't returned any results for this query.",
        }
    if query.get("async") == "true":
        metadata["status"] = "Processing"
        return {"search_metadata": metadata, "search_parameters": about}
    results = [
        {
            "position": position,
            "title": query["q"],
            "link": f"https://site-{position}.example/{_digest(words)[:8]}",
        }
        for position in range(1, int(query.get("num", 10)) + 1)
    ]
    return {
        "search_metadata": metadata,
        "search_parameters": about,
        "search_information": {"organic_results_state": "Results for exact spelling"},
        "organic_results": results,
    }


def _cse(query: Json) -> Json:
    if not query.get("key"):
        error = {"code": 403, "message": "unregistered callers", "status": "PERMISSION_DENIED"}
        raise Refusal(403, {"error": error})
    words = query.get("q", "").lower().split()
    head = {"kind": "customsearch#search", "searchInformation": {"searchTime": time.perf_counter()}}
    if "nothingness" in words:
        return head
    items = [
        {
            "kind": "customsearch#result",
            "title": query["q"],
            "link": f"https://a.example/{_digest(words)[:8]}",
        }
    ]
    return {**head, "items": items}


_ROUTES: dict[tuple[str, str], Callable[[Json], Json]] = {
    ("POST", "/v1/chat/completions"): _chat,
    ("POST", "/v1/responses"): _responses,
    ("POST", "/v1/embeddings"): _embeddings,
    ("POST", "/v1/moderations"): _moderations,
    ("POST", "/v1/images/generations"): _images,
    ("POST", "/v1/scrape"): _scrape,
    ("POST", "/v1/search"): _search,
    ("POST", "/v1/map"): _map,
    ("POST", "/v1/crawl"): _crawl,
    ("POST", "/v2/scrape"): _scrape,
    ("POST", "/v2/search"): _search_v2,
    ("POST", "/v2/map"): _map_v2,
    ("POST", "/v2/crawl"): _crawl,
    ("GET", "/search.json"): _serpapi,
    ("GET", "/customsearch/v1"): _cse,
}


def _route(method: str, path: str) -> Callable[[Json], Json] | None:
    if method == "GET" and path.startswith(("/v1/crawl/", "/v2/crawl/")):
        return _crawl_status
    return _ROUTES.get((method, path))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    # headers and body leave as two packets; without this the second waits for an acknowledgement
    disable_nagle_algorithm = True
    server: "_Server"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._answer("GET", parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer("POST", self.path, json.loads(raw))

    def _answer(self, method: str, path: str, body: Json) -> None:
        provider = self.server.provider
        with provider.lock:
            provider.asked.append(Asked(method, path, body))
            queued = provider.replies[path].popleft() if provider.replies[path] else None
        time.sleep(provider.delay_s)
        route = _route(method, path)
        if queued is not None:
            self._send(*queued)
        elif route is None:
            self._send(404, {"error": {"message": f"no such path {path}"}})
        else:
            try:
                self._send(200, route(body))
            except Refusal as refusal:
                self._send(refusal.status, refusal.body)

    def _send(self, status: int, answer: Json) -> None:
        kind, payload = "application/json", json.dumps(answer, default=lambda stream: stream.events)
        if isinstance(answer, Stream):
            kind = "text/event-stream"
            lines = [f"data: {json.dumps(event)}\n\n" for event in answer.events]
            payload = "".join(lines) + ("data: [DONE]\n\n" if answer.done else "")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(payload.encode())))
        self.end_headers()
        self.wfile.write(payload.encode())

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    provider: Provider


@contextmanager
def running() -> Iterator[Provider]:
    """Serve from threads of this process on a free port of 127.0.0.1."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.provider = Provider(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.provider
        finally:
            server.shutdown()
            thread.join()
