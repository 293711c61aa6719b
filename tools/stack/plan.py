"""What a stack is made of, as data: it travels from the `up` command to the supervisor in a file.

A plan names no port that is certain and no address: those are known only when a program is started, so commands and
environment carry placeholders (`{mongo.port}`, `{broker.address}`) that are filled in at every start.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

CheckKind = Literal["http", "kafka", "mongo", "redis", "tcp"]

DEFAULT_START_LIMIT_SECONDS = 60.0
"""How long one program may take to become ready. A cold disk under a 140 MB mongod is the slowest thing seen."""

DEFAULT_STOP_GRACE_SECONDS = 15.0
"""How long a program may take to stop: enough for a service to finish the batch in its hands and leave its group."""

_PLACEHOLDER = re.compile(r"\{([a-z0-9-]+)\.(port|address)\}")


@dataclass(frozen=True, slots=True)
class Program:
    """One process of the stack: how it is started, how one sees that it is ready, and what it needs before."""

    name: str
    command: tuple[str, ...]
    check: CheckKind
    port: int | None = None
    """The usual port; another one is taken when it is not free. None: the program chooses, and says so in a file."""
    address_file: str | None = None
    """Where a program without a fixed port writes its `host:port`."""
    side_ports: Mapping[str, int] = field(default_factory=dict)
    """Usual ports it needs besides, by the names under which placeholders know them."""
    path: str = "/ready"
    env: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    """Programs that must be ready before this one starts, and that are stopped only after it."""
    restart_with: tuple[str, ...] = ()
    """Programs whose restart gives them a new address, so that this one has to be restarted too."""
    prepare: tuple[str, ...] = ()
    """A command that runs to its end before each start."""
    furnish: tuple[str, ...] = ()
    """A command that must have gone well once the program answers, before it counts as ready for the first time."""
    start_limit: float = DEFAULT_START_LIMIT_SECONDS


@dataclass(frozen=True, slots=True)
class Plan:
    """All programs, in the order in which they are shown; nothing may need a program that stands after it."""

    programs: tuple[Program, ...]
    stop_grace: float = DEFAULT_STOP_GRACE_SECONDS

    def __post_init__(self) -> None:
        """Refuse at once what would otherwise wait for ever: unknown names, circles, and nameless addresses."""
        known: set[str] = set()
        sides = {name for program in self.programs for name in program.side_ports}
        for program in self.programs:
            if program.name in known:
                raise ValueError(f"two programs are called {program.name}")
            if unknown := (set(program.after) | set(program.restart_with)) - known:
                raise ValueError(f"{program.name} needs {', '.join(sorted(unknown))}, which does not stand before it")
            if (program.port is None) == (program.address_file is None):
                raise ValueError(f"{program.name} must have either a port or an address file")
            known.add(program.name)
        if taken := known & sides:
            raise ValueError(f"a side port is called {', '.join(sorted(taken))}, as a program is")

    def __iter__(self) -> Iterator[Program]:
        """Iterate over the programs."""
        return iter(self.programs)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all programs, in order."""
        return tuple(program.name for program in self.programs)

    def save(self, path: Path) -> None:
        """Write the plan for the supervisor."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Read what `save` has written."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        rows: list[dict[str, Any]] = raw["programs"]
        programs = tuple(Program(**{key: _frozen(value) for key, value in row.items()}) for row in rows)
        return cls(programs, raw["stop_grace"])


def _frozen(value: Any) -> Any:
    """JSON knows lists only; a program holds tuples."""
    return tuple(value) if isinstance(value, list) else value


def fill_in(text: str, addresses: Mapping[str, str]) -> str:
    """Replace `{NAME.port}` and `{NAME.address}` by what is known now; any other brace stays as it is."""

    def known(match: re.Match[str]) -> str:
        address = addresses[match[1]]
        return address if match[2] == "address" else address.rpartition(":")[2]

    return _PLACEHOLDER.sub(known, text)


def python_module(name: str) -> tuple[str, ...]:
    """How one of our modules is run."""
    # -P: the folder one happens to stand in must not hide our packages. -u: a log is of no use a buffer later.
    return (sys.executable, "-P", "-u", "-m", name)
