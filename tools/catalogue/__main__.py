"""`python -m tools.catalogue` writes the golden schemas of what travels and of what is stored, asyncapi.yaml and the
list of errors; with `--check` it only compares, and holds the list of topics against the messages."""

from __future__ import annotations

import sys

from contracts import CATALOGUE
from tools.catalogue import asyncapi, problems, roles, schemas, stored
from tools.topics import listing


def main(arguments: list[str]) -> int:
    found = roles.unlisted(CATALOGUE.values())
    if not found:
        found = _check() if "--check" in arguments else _write()
    for line in found:
        print(line)
    return 1 if found else 0


def _check() -> list[str]:
    found = schemas.stale(schemas.current())
    now = asyncapi.rendered(asyncapi.document())
    if not asyncapi.PATH.exists() or asyncapi.PATH.read_text("utf-8") != now:
        found.append("contracts/asyncapi.yaml is not what the messages say now: run `make schemas`")
    found += stored.stale(stored.current())
    return found + problems.stale() + listing.unlike(CATALOGUE.values())


def _write() -> list[str]:
    refused = schemas.write(schemas.current())
    if refused:
        refused.append(
            "Not written: partners of the old message could not live with the new one. Give the new one a new wire "
            "name beside the old one, or, when nobody has ever used the old one, delete its file in contracts/schemas."
        )
    refused += stored.write(stored.current())
    if refused:
        return refused
    asyncapi.PATH.write_text(asyncapi.rendered(asyncapi.document()), "utf-8")
    problems.write()
    return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
