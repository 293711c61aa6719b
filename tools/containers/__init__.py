"""The whole system in containers, tried: `tuidan drill containers`."""
