"""Golden JSON Schemas and `asyncapi.yaml`, both made from the messages in `contracts`. Read `schemas`, then
`compatibility`, then `roles` and `asyncapi`. `make schemas` writes, `make check` compares."""
