"""A shop of three answers, for the load to have something to load: `python app.py --port 8000`."""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "/health": {"status": "ok"},
    "/items": [{"id": number, "name": f"item {number}"} for number in range(50)],
    "/checkout": {"total": 42},
}


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    protocol_version = "HTTP/1.1"  # connections are kept
    wbufsize = -1  # headers and body in one packet

    def do_GET(self) -> None:
        """One of the answers, or 404."""
        found = ANSWERS.get(self.path)
        body = json.dumps(found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: thousands of lines help nobody."""


def main() -> None:
    """Serve until it is ended."""
    reader = argparse.ArgumentParser()
    reader.add_argument("--host", default="127.0.0.1")
    reader.add_argument("--port", type=int, default=8000)
    given = reader.parse_args()
    ThreadingHTTPServer.request_queue_size = 1024  # many connect at the same moment
    ThreadingHTTPServer((given.host, given.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
