"""`tuidan trace`: every message of one order, over all topics, in causal order."""
