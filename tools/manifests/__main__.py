"""`python -m tools.manifests`: exit code 0 when every overlay is right, or when nothing here can render one, which is
said; 1 when one is not. `python -m tools.manifests build` builds the two programs it works with, where there is Go."""

from __future__ import annotations

import sys

from tools.manifests.rendering import BUILD, OVERLAYS, ToolFailed, build, linted, rendered, renderer
from tools.manifests.schemas import VERSION, wrong

NOT_ASKED = {
    "container-image-pull-policy": "a version's image never changes, so a node may keep it",
    "deployment-has-host-podantiaffinity": "topologySpreadConstraints say the same and let one node do",
    "deployment-replicas": "the autoscaler keeps two; the linter knows none of KEDA's",
}
"""Rules of the linter that are not asked, and why. The processor's limit is not either: see the manifests."""
LINTED = ("production", "production-on-cpu")
"""`local` is to try, with servers as they come: one of each, users as their images have them."""


def check() -> list[str]:
    """Everything that is wrong, by overlay. A line that begins with SKIPPED says what was not looked at."""
    if renderer() is None:
        return [f"SKIPPED: the manifests were not rendered: neither kubectl nor our kustomize is here ({BUILD})"]
    found = []
    for overlay in OVERLAYS:
        objects = rendered(overlay)
        found += [f"{overlay}: {line}" for one in objects for line in wrong(one)]
        if overlay in LINTED:
            complaints = linted(objects, list(NOT_ASKED), VERSION)
            if complaints is None:
                found.append(f"SKIPPED: {overlay} was not linted: kube-score is not here ({BUILD})")
            found += [f"{overlay}: {line}" for line in complaints or ()]
    return found


def main(words: list[str]) -> int:
    """Print what was found."""
    try:
        lines = [build()] if words == ["build"] else check()
    except ToolFailed as problem:
        lines = [str(problem)]
        words = []
    for line in lines:
        print(line)
    return int(words != ["build"] and any(not line.startswith("SKIPPED") for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
