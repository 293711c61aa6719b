"""The embedded stack: the whole system as plain local processes, with nothing installed but Python.

`up` and `down` are the two calls tests and the demo need; the `tuidan` command is a thin layer over the same calls.
"""

from tools.stack.control import Stack, StackError, down, up
from tools.stack.plan import Plan, Program

__all__ = ["Plan", "Program", "Stack", "StackError", "down", "up"]
