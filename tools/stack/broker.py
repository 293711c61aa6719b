"""A broker that speaks the Kafka protocol, in one process: `python -m tools.stack.broker --address-file FILE`.

It is the one that librdkafka carries for its own tests. It keeps messages in memory, gives each consumer group one
useful member, and always listens on a new port: good for a laptop, not for measurements.
"""

import argparse
import signal
from pathlib import Path

from confluent_kafka import Producer

from contracts import CATALOGUE
from tools.topics.listing import of_contracts

ANSWER_LIMIT_SECONDS = 10.0


def main() -> None:
    """Start the broker, say where it is, and stay until a signal to stop."""
    parser = argparse.ArgumentParser(description="Run a Kafka protocol broker in memory.")
    parser.add_argument("--address-file", type=Path, required=True, help="where to write host:port once it listens")
    options = parser.parse_args()

    # Blocked before the library starts its threads, so that the signal waits for `sigwait` and for nobody else.
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    # The broker lives inside this client for as long as the client does.
    client = Producer({"test.mock.num.brokers": 1})
    (broker,) = client.list_topics(timeout=ANSWER_LIMIT_SECONDS).brokers.values()
    for topic in of_contracts(CATALOGUE.values()):
        client.list_topics(topic, timeout=ANSWER_LIMIT_SECONDS)  # it makes what it is asked for, in four partitions
    address = f"{broker.host}:{broker.port}"

    partial = options.address_file.with_suffix(".partial")
    partial.write_text(address, encoding="utf-8")
    partial.replace(options.address_file)
    print(f"the broker listens on {address}", flush=True)
    signal.sigwait(stop_signals)
    options.address_file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
