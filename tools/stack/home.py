"""The stack's own folder: every path in it has its name here."""

import os
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "TUIDAN_HOME"
SUPERVISOR = "supervisor"
"""The name under which the supervisor's own log is found."""


@dataclass(frozen=True, slots=True)
class Home:
    """A folder that holds one stack: its state, logs, data and keys. Deleting it forgets everything."""

    root: Path

    @property
    def state(self) -> Path:
        """What runs, with process ids and addresses (JSON)."""
        return self.root / "state.json"

    @property
    def plan(self) -> Path:
        """What the supervisor was told to run (JSON)."""
        return self.root / "plan.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives, so that one folder never holds two stacks."""
        return self.root / "lock"

    @property
    def keys(self) -> Path:
        """Where the sandbox writes the keys that the services read."""
        return self.root / "keys"

    def log(self, name: str) -> Path:
        """The log of one program."""
        return self.root / "logs" / f"{name}.log"

    def data(self, name: str) -> Path:
        """The data of one program."""
        return self.root / "data" / name

    def make(self) -> None:
        """Create the folders. Only for the owner: private keys live here. And git need never hear of it."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.keys, self.root / "logs", self.root / "data"):
            folder.mkdir(mode=0o700, exist_ok=True)
        ignore = self.root / ".gitignore"
        if not ignore.exists():  # somebody may have named a folder that is not only ours
            ignore.write_text("*\n", encoding="utf-8")


def current_home() -> Home:
    """Find the folder a command typed here means: the variable's, else `.tuidan` beside the nearest pyproject.toml."""
    if chosen := os.environ.get(HOME_VARIABLE):
        return Home(Path(chosen).expanduser().resolve())
    here = Path.cwd()
    project = next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").exists()), here)
    return Home(project / ".tuidan")
