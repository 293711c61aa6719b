"""`python -m tests.simulation`: see README.md beside this file."""

import sys

from tests.simulation.steady import steady

if __name__ == "__main__":
    steady()
    if sys.argv[1:2] == ["cover"]:
        from tests.simulation import cover

        cover.begin()  # before anything that is watched is imported
    from tests.simulation.command import app

    app()
