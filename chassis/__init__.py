"""What every service needs, with no business word in it. Read `record` first (the one idea), then `saga`, then
`reactor` (how the idea runs) and `service` (how a process is put together)."""
