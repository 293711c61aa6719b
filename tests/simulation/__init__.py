"""All services' real code in one process, on virtual time, under every fault, before one judge. See README.md."""
