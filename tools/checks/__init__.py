"""Own rules about the source that no other tool knows. `python -m tools.checks` runs all of them.

A rule is a function from one file to what is wrong with it (`source.Rule`); `__main__` lists the rules. To add one:
write the function, put it in `RULES`, and show in tests/unit/checks that it fails."""
