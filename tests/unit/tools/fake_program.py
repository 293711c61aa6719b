"""A stand-in for a program of the stack: answers GET / with its pid and environment, and misbehaves when told to."""

import argparse
import http.server
import json
import os
import signal
import sys
from pathlib import Path


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers every request in the same way."""

    status = 200

    def do_GET(self) -> None:
        """Say who and where we are."""
        body = json.dumps({"pid": os.getpid(), "environment": dict(os.environ)}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: the log is what the tests look at."""


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--address-file", type=Path)
    parser.add_argument("--fail", action="store_true")
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--ignore-term", action="store_true")
    parser.add_argument("--goodbye", type=Path, help="a file to which the name is added on SIGTERM")
    parser.add_argument("--name", default="fake")
    options = parser.parse_args()
    if options.fail:
        print("the configuration is wrong", file=sys.stderr)
        sys.exit(3)

    def leave(signum: int, frame: object) -> None:
        if options.goodbye:
            with options.goodbye.open("a") as file:
                file.write(f"{options.name}\n")
        sys.exit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if options.ignore_term else leave)
    Answer.status = 503 if options.never_ready else 200
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Answer)
    if options.address_file:
        partial = options.address_file.with_suffix(".partial")
        partial.write_text(f"127.0.0.1:{server.server_port}")
        partial.replace(options.address_file)
    print(f"{options.name} listens", flush=True)
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
