"""How many paid cancellations a second the whole system takes, how long one takes, and what it costs: on a real Kafka
and a MongoDB replica set whose writes are on disk, everything on this machine."""
