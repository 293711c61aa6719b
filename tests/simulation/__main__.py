"""`python -m tests.simulation`: see README.md beside this file."""

from tests.simulation.runner import steady

if __name__ == "__main__":
    steady()
    from tests.simulation.command import app

    app()
