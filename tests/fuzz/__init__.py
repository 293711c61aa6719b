"""The gateway's OpenAPI document against the whole system, by generated requests: `make fuzz`, and a part in every run
of the tests."""
