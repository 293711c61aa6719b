"""The topics of a real Kafka: the list in `deploy/topics.yaml`, a cluster, and where the two differ."""
