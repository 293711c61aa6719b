"""`tuidan drill containers`, as a person types it."""

from __future__ import annotations

import typer
from rich.console import Console

from tools.containers.compose import ContainersFailed, why_no_compose
from tools.containers.drill import Drill, Seen, Wanted
from tools.place import refuse


def run_containers(wanted: Wanted) -> None:
    """Exit code 0: everything held; 1: something did not; 2: it could not be run."""
    if why_not := why_no_compose():
        refuse(f"The drill in containers was not run: {why_not}")
    console = Console()
    try:
        seen = Drill(wanted, console).run()
    except ContainersFailed as problem:
        refuse(f"{problem}")
    _show(seen, console)
    raise typer.Exit(1 if seen.broken else 0)


def _show(seen: Seen, console: Console) -> None:
    def lines(title: str, rows: dict[str, float], unit: str) -> None:
        console.print(f"\n{title}")
        for name, value in rows.items():
            console.print(f"  {name:<32} {value:8.1f} {unit}", highlight=False, markup=False)

    lines("镜像 · images, with their base", seen.sizes_mb, "MB")
    lines("步骤 · steps", seen.seconds, "s")
    lines("启动到就绪 · start to ready", seen.ready, "s")
    lines("其中处理器时间 · of that, processor time", seen.ready_cpu, "s")
    lines("被杀到恢复 · killed to back", seen.recovery, "s")
    console.print("")
    for sentence in seen.broken or ["一切正常 · everything held"]:
        console.print(sentence, highlight=False, markup=False)
