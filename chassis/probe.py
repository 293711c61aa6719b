"""Asks the service in this container whether it is ready: `python3 -IS chassis/probe.py [PATH]`. Exit code 0: it is.

Run every few seconds beside the service, so it imports as little as there is: no package, not even `http`."""

import os
import socket
import sys

USUAL_PORT = "8080"
ANSWER_SECONDS = 8.0


def main(path: str = "/ready") -> str | None:
    """None when `path` is answered with 200, else what was answered instead."""
    port = int(os.environ.get("TUIDAN_HTTP_PORT", USUAL_PORT))
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answer = b""
            while more := connection.recv(4096):
                answer += more
    except OSError as problem:
        return f"{path}: {problem}"
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] == [b"200"]:
        return None
    return f"{path}: {body.decode(errors='replace')}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
