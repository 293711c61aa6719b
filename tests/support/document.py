"""A document whose examples are run: shell blocks in order in one shell, as a reader pastes them, and what came laid
beside what the document shows.

A block of `sh` is a step; a block of `jsonc` or `text` that follows it is its answer. An answer begins with `// 202`,
the status of the last request of its step, and may leave things out:

- `…` as the last thing of an object or a list: there is more of it; as a value: any value.
- `abc…`, ASCII letters and digits before it: an id or a token, the same one wherever the same letters stand before it.
- `…` inside another text: any characters.
- A time or a day stands for any time or day.

All other values, and all names, are as they are shown. Pure, but for `Shell`.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

ANY = "…"
BLOCK_SECONDS = 120.0

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STATUS = re.compile(r"// (\d{3})$")
_REQUEST = re.compile(r"⟦(\d{3}) ([A-Z]+) (\S+)⟧")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z")
_GATEWAY = re.compile(r'\$GATEWAY(/[^\s"?)]+)')
_METHOD = re.compile(r" -X ([A-Z]+)\b")
_PLACE = re.compile(r"(?P<name>[A-Za-z0-9]{2,})?…")
CURLRC = 'write-out = "%{stderr}\\n⟦%{http_code} %{method} %{url}⟧\\n"\n'
"""Read by curl in the shell: each request names its status beside its answer. The commands stay as they are."""


@dataclass(frozen=True, slots=True)
class Step:
    """One block to paste, at a line of the document, and the answer that is shown after it, if any."""

    line: int
    shell: str
    answer: str | None = None
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """One request as it is written down: its path without query, with `$NAMES` in it; whether it has an
    Idempotency-Key."""

    method: str
    path: str
    has_key: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One request that a step made."""

    status: int
    method: str
    url: str


@dataclass(frozen=True, slots=True)
class Came:
    """What a step printed (without the requests' statuses), its requests, and the exit code of its last command."""

    text: str
    requests: tuple[Request, ...]
    code: int

    @property
    def document(self) -> Any:
        """The last JSON document that was printed. Raises ValueError when there is none."""
        decoder, found = json.JSONDecoder(), []
        place = 0
        while begin := re.compile(r"^[{\[]", re.MULTILINE).search(self.text, place):
            try:
                one, place = decoder.raw_decode(self.text, begin.start())
                found.append(one)
            except ValueError:
                place = begin.end()
        if not found:
            raise ValueError(f"no JSON in what was printed:\n{self.text}")
        return found[-1]


def steps(text: str) -> list[Step]:
    """The steps of a document, in order."""
    found: list[Step] = []
    for fence in _FENCE.finditer(text):
        language, body = fence[1], fence[2]
        if language == "sh":
            found.append(Step(text.count("\n", 0, fence.start()) + 2, body))
        elif language in ("jsonc", "text") and found and found[-1].answer is None:
            found[-1] = Step(found[-1].line, found[-1].shell, body, language == "jsonc")
    return found


def written(step: Step) -> list[Written]:
    """The requests to the gateway that a step spells out; those of `until_is` only wait."""
    found = []
    for _, _, command in (part.partition("curl ") for part in re.split(r"(?=\bcurl )", step.shell)):
        line = re.split(r"(?<!\\)\n|\|", command, maxsplit=1)[0]
        path = _GATEWAY.search(line)
        if path is None:
            continue
        named = _METHOD.search(line)
        sends = " -d " in line and " -G " not in line
        method = named[1] if named else ("POST" if sends else "GET")
        found.append(Written(method, path[1], "Idempotency-Key:" in line))
    return found


def status_of(answer: str) -> int | None:
    """The status that an answer states."""
    stated = _STATUS.match(answer.partition("\n")[0])
    return int(stated[1]) if stated else None


def read_answer(answer: str) -> Any:
    """An answer's document, with what is left out as `…`. Raises ValueError."""
    plain = "\n".join(line for line in answer.splitlines() if not line.startswith("//"))
    parts, place = [], 0
    for text in _TEXT.finditer(plain):
        parts += [_spelled_out(plain[place : text.start()]), text[0]]
        place = text.end()
    spelled = "".join([*parts, _spelled_out(plain[place:])])
    return json.loads(_closed(spelled))


def _spelled_out(between: str) -> str:
    """`…` between texts as a text of its own."""
    return between.replace(ANY, f'"{ANY}"')


def _closed(spelled: str) -> str:
    """`{…}` and `, …}` as a field."""
    return re.sub(rf'([{{,]\s*)"{ANY}"(\s*}})', rf'\1"{ANY}": 0\2', spelled)


@dataclass
class Comparison:
    """Lays answers beside what came. `known`: what stands for the ids that the document shortens."""

    known: dict[str, str] = field(default_factory=dict)

    def differences(self, shown: Any, came: Any, where: str = "answer") -> Iterator[str]:
        """Each thing that is not as it is shown."""
        if shown == ANY:
            return
        if isinstance(shown, dict) and isinstance(came, dict):
            yield from self._objects(shown, came, where)
        elif isinstance(shown, list) and isinstance(came, list):
            yield from self._lists(shown, came, where)
        elif isinstance(shown, str) and isinstance(came, str):
            if not self.same_text(shown, came):
                yield f"{where}: {shown!r} is shown, {came!r} came"
        elif type(shown) is not type(came) or shown != came:
            yield f"{where}: {shown!r} is shown, {came!r} came"

    def _objects(self, shown: dict[str, Any], came: dict[str, Any], where: str) -> Iterator[str]:
        names = [name for name in shown if name != ANY]
        for name in names:
            if name not in came:
                yield f"{where}.{name} is shown and did not come"
            else:
                yield from self.differences(shown[name], came[name], f"{where}.{name}")
        if ANY not in shown and (more := sorted(came.keys() - set(names))):
            yield f"{where}: {', '.join(more)} came and is neither shown nor left out with …"

    def _lists(self, shown: list[Any], came: list[Any], where: str) -> Iterator[str]:
        has_more = bool(shown) and shown[-1] == ANY
        wanted = shown[:-1] if has_more else shown
        if len(came) < len(wanted) or (len(came) > len(wanted) and not has_more):
            yield f"{where}: {len(wanted)}{' or more' if has_more else ''} are shown, {len(came)} came"
        for place, (one, other) in enumerate(zip(wanted, came, strict=False)):
            yield from self.differences(one, other, f"{where}[{place}]")

    def same_text(self, shown: str, came: str) -> bool:
        """Whether a text is as it is shown; what its ids stand for is remembered."""
        for kind in (_TIME, _DAY):
            if kind.match(shown):
                return bool(kind.match(came))
        pattern, place, names = "", 0, []
        for left_out in _PLACE.finditer(shown):
            pattern += re.escape(shown[place : left_out.start()])
            place, name = left_out.end(), left_out["name"]
            if name is None:
                pattern += ".*"
            elif name in self.known:
                pattern += re.escape(self.known[name])
            else:
                pattern += r"([A-Za-z0-9._~-]+?)"
                names.append(name)
        found = re.fullmatch(pattern + re.escape(shown[place:]), came, re.DOTALL)
        if found is None:
            return False
        new = dict(zip(names, found.groups(), strict=True))
        if set(new.values()) & set(self.known.values()):
            return False  # two names for one thing
        self.known.update(new)
        return True


class Shell:
    """A shell that blocks are pasted into."""

    def __init__(self, folder: Path, home: Path, environment: dict[str, str]) -> None:
        (home / ".curlrc").write_text(CURLRC, "utf-8")
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env={**environment, "CURL_HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            bufsize=1,
        )
        self._lines: Queue[str | None] = Queue()
        self._pasted = 0
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def paste(self, block: str, seconds: float = BLOCK_SECONDS) -> Came:
        """Run a block and wait for its end. Raises AssertionError when that takes longer, or the shell is gone."""
        self._pasted += 1
        end = f"⟦end {self._pasted}⟧"
        assert self._process.stdin is not None
        self._process.stdin.write(f"{block}\nprintf '\\n{end}%s\\n' $?\n")
        self._process.stdin.flush()
        said: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=seconds)
            except Empty:
                raise AssertionError(f"said nothing more for {seconds:.0f} s:\n{block}\n{''.join(said)}") from None
            if line is None:
                raise AssertionError(f"the shell is gone:\n{block}\n{''.join(said)}")
            if line.startswith(end):
                return _came("".join(said), int(line.removeprefix(end)))
            said.append(line)

    def close(self) -> None:
        """End the shell."""
        self._process.kill()
        self._process.wait()
        self._reader.join(BLOCK_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def _came(said: str, code: int) -> Came:
    requests = tuple(Request(int(one[1]), one[2], one[3]) for one in _REQUEST.finditer(said))
    return Came(_REQUEST.sub("", said), requests, code)
