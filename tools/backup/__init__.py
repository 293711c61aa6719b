"""A backup of the six services' databases: taken at one moment, checked by itself, put back (docs/decisions/0039)."""
