"""What listing one flat prefix of an object store takes in memory: objects by the thousand per page, as S3 gives them over HTTP.

    python -m tests.bench.bench_listing [--objects 10000 50000]

The service is made up and answers nothing but lists, in another process. Each size is listed in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, urlsplit

from pipeline.storage import Store

PAGE = 1000
BUCKET, PREFIX = "archive", "flat/"


def page(start: int, count: int) -> bytes:
    """One answer of ListObjectsV2."""
    end = min(start + PAGE, count)
    objects = "".join(
        f"<Contents><Key>{PREFIX}{number:09d}_Zyxwandt.dcm</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{number:032x}&quot;</ETag><Size>526000</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(start, end)
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{end}</NextContinuationToken>" if end < count else ""
    head = f"<Name>{BUCKET}</Name><Prefix>{PREFIX}</Prefix><KeyCount>{end - start}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
    return f'<?xml version="1.0"?><ListBucketResult>{head}{more}{objects}</ListBucketResult>'.encode()


def serve(pipe: Connection, count: int) -> None:
    """Answer until this process is ended."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            token = parse_qs(urlsplit(self.path).query).get("continuation-token", ["0"])[0]
            body = page(int(token), count)
            self.send_response_only(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pipe.send(server.server_address[1])
    server.serve_forever()


def peak() -> float:
    """Most memory that this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(count: int) -> None:
    """List that many, in this process."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    service = context.Process(target=serve, args=(theirs, count), daemon=True)
    service.start()
    url = f"http://127.0.0.1:{ours.recv()}"
    store = Store({"s3": {"endpoint_url": url, "key": "x", "secret": "y", "client_kwargs": {"region_name": "eu-west-1"}}})
    store.filesystem(f"s3://{BUCKET}")
    before, started = peak(), time.process_time()
    found, previous = 0, ""
    for source in store.list_files(f"s3://{BUCKET}/{PREFIX.rstrip('/')}"):
        assert source.uri > previous
        found, previous = found + 1, source.uri
    assert found == count, found
    gained = peak() - before
    cpu = time.process_time() - started
    print(f"{count:9d} objects: {cpu:6.1f} CPU s, +{gained:.0f} MiB, {gained * 1024 / count:.2f} KiB each", flush=True)
    service.terminate()


def main() -> None:
    """Every size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, nargs="*", default=[10_000, 50_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one)
        return
    for count in options.objects:
        subprocess.run([sys.executable, "-m", "tests.bench.bench_listing", "--one", str(count)], check=True)


if __name__ == "__main__":
    main()
