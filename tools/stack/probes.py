"""Asking a program whether it is ready, in its own protocol.

Written on bare sockets: the supervisor asks ten times a second while it runs without threads, and the client libraries
of these servers would bring threads, pools and retries of their own.
"""

import asyncio
import struct
from contextlib import suppress

from tools.stack.plan import CheckKind

ANSWER_LIMIT_SECONDS = 2.0
"""A program that takes longer than this to say that it is ready is not."""
_BODY_SHOWN = 300


async def ask(check: CheckKind, address: str, path: str) -> str | None:
    """Return None when the program is ready, else in plain words why not."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(ANSWER_LIMIT_SECONDS):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                return await _ask(check, reader, writer, path)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return f"no answer within {ANSWER_LIMIT_SECONDS:g} s on {address}"
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        return f"no answer on {address} ({error})"


async def _ask(check: CheckKind, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> str | None:
    match check:
        case "tcp":
            return None
        case "kafka":
            return await _ask_kafka(reader, writer)
        case "redis":
            return await _ask_redis(reader, writer)
        case "mongo":
            return await _ask_mongo(reader, writer)
        case "http":
            return await _ask_http(reader, writer, path)


async def _ask_kafka(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
    request = struct.pack(">hhih", 18, 0, 1, -1)  # ApiVersions in its oldest form, correlation id 1, no client id
    writer.write(struct.pack(">i", len(request)) + request)
    _, correlation, error = struct.unpack(">iih", await reader.readexactly(10))
    return None if (correlation, error) == (1, 0) else f"ApiVersions was answered with error {error}"


async def _ask_redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
    writer.write(b"PING\r\n")
    answer = (await reader.readline()).strip()
    return None if answer == b"+PONG" else f"PING was answered with {answer.decode(errors='replace')!r}"


async def _ask_mongo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
    fields = b"\x10ping\0" + struct.pack("<i", 1) + b"\x02$db\0" + struct.pack("<i", len(b"admin\0")) + b"admin\0"
    document = struct.pack("<i", len(fields) + 5) + fields + b"\0"
    body = struct.pack("<i", 0) + b"\0" + document  # OP_MSG: no flags, one section of kind 0
    writer.write(struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body)
    (length,) = struct.unpack("<i", await reader.readexactly(4))
    answer = await reader.readexactly(length - 4)
    return None if b"\x01ok\0" + struct.pack("<d", 1.0) in answer else "ping was not answered with ok"


async def _ask_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> str | None:
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    status = (await reader.readline()).decode(errors="replace").split()
    if len(status) > 1 and status[1] == "200":
        return None
    while (await reader.readline()).strip():
        pass  # a header; the body, which often says what is missing, comes after them
    body = (await reader.read(_BODY_SHOWN)).decode(errors="replace").strip()
    return f"GET {path} was answered with {status[1] if len(status) > 1 else 'nothing'}" + (f": {body}" if body else "")
