"""An HTTP proxy in front of a storage emulator that fails on request: what a network and a busy service do, in a test."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

Fault = str
"""A status such as '503'; 'reset' before the request is forwarded; 'lost': forwarded, and the answer is not delivered; 'cut': half of the
answer, then the connection ends; 'slow': nothing for `SLOW_SECONDS`; 'expired': what the store says to a token that is too old."""
SLOW_SECONDS = 3.0


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        faults: what happens to the next requests, in order; then all goes well.
        requests: (method, path, Range header) of every request.
        headers: all headers of every request, as text.
    """

    url: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    match: Callable[[str, str], bool] = lambda method, path: True

    def fail(self, *faults: Fault, match: Callable[[str, str], bool] = lambda method, path: True) -> None:
        """The next requests that match fail so; forgets the requests seen until now."""
        self.faults, self.match = list(faults), match
        self.requests.clear()


@contextmanager
def proxy(upstream: str, *, as_google: bool = False) -> Iterator[Proxy]:
    """Run a proxy in front of ``upstream``.

    Args:
        upstream: URL of the emulator.
        as_google: do what Google does and its emulator does not: refuse an upload with ifGenerationMatch=0 when the object is there, and
            say the generation of what is downloaded.
    """
    target = urlsplit(upstream)
    state: Proxy

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self._chunked() if self.headers.get("Transfer-Encoding", "") == "chunked" else self.rfile.read(length)
            state.requests.append((self.command, self.path, self.headers.get("Range") or self.headers.get("x-ms-range") or ""))
            state.headers.append(str(self.headers))
            fault = state.faults.pop(0) if state.faults and state.match(self.command, self.path + self._uploaded(body)) else ""
            if fault == "reset":
                self._reset()
                return
            if fault == "slow":
                time.sleep(SLOW_SECONDS)
            if fault == "expired":
                store = "azure" if "x-ms-version" in self.headers else "google" if _GOOGLE.match(self.path) else "s3"
                status, headers, body = _EXPIRED[store]
                self._answer(status, headers, body)
                return
            if fault.isdecimal():
                self._answer(int(fault), [("Content-Type", "text/plain"), ("Retry-After", "0")], b"busy")
                return
            connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
            if as_google and self._exists(connection, body):
                self._answer(412, [], b"{}")
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() not in ("transfer-encoding", "content-length")}
            headers["Content-Length"] = str(len(body))
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            if fault == "lost":
                self._reset()
                return
            if fault == "cut" and self.command == "GET":
                self._cut(answer, data)
                return
            said = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP]
            if as_google and self.command == "GET" and self.path.startswith("/download/") and answer.status in (200, 206):
                connection.request("GET", urlsplit(self.path).path.removeprefix("/download"))
                said.append(("x-goog-generation", str(json.loads(connection.getresponse().read())["generation"])))
            self._answer(answer.status, said, data, answer)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = handle_any

        def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, answer: http.client.HTTPResponse | None = None) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            length = answer.getheader("Content-Length") if answer is not None and self.command == "HEAD" else str(len(data))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def _cut(self, answer: http.client.HTTPResponse, data: bytes) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True

        def _exists(self, connection: http.client.HTTPConnection, body: bytes) -> bool:
            query = parse_qs(urlsplit(self.path).query)
            if self.command != "POST" or query.get("ifGenerationMatch") != ["0"]:
                return False
            name = query["name"][0] if "name" in query else self._uploaded(body)
            bucket = self.path.split("/b/")[1].split("/")[0]
            connection.request("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}")
            answer = connection.getresponse()
            answer.read()
            return answer.status == 200

        def _uploaded(self, body: bytes) -> str:
            """The object that a body for Google names: such an upload does not name it in its path."""
            named = re.search(rb'"name": *"([^"]+)"', body) if self.command == "POST" else None
            return named.group(1).decode() if named else ""

        def _reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        def _chunked(self) -> bytes:
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def finish(self) -> None:
            if not self.connection._closed:  # type: ignore[attr-defined]  # reset on purpose
                super().finish()

    class Server(ThreadingHTTPServer):
        request_queue_size = 1024
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    state = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


_GOOGLE = re.compile("/(storage|upload|download)/")
_XML = b"<?xml version='1.0'?><Error><Code>%b</Code><Message>Refused.</Message></Error>"
_EXPIRED = {
    "azure": (403, [("Content-Type", "application/xml"), ("x-ms-error-code", "AuthenticationFailed")], _XML % b"AuthenticationFailed"),
    "google": (401, [("Content-Type", "application/json")], b'{"error": {"code": 401, "message": "Invalid Credentials"}}'),
    "s3": (400, [("Content-Type", "application/xml")], _XML % b"ExpiredToken"),
}
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
