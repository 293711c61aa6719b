"""Ways from this machine to services inside a cluster that outlive the pods they lead to."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping

from tools.kubernetes.cluster import Cluster
from tools.stack.ports import LOOPBACK, Ports

AGAIN_SECONDS = 0.3


class Forwards:
    """One `kubectl port-forward` per service, started again when it ends: each leads to one pod and goes with it. Use
    it as a context manager. `addresses`: host:port by service."""

    def __init__(self, cluster: Cluster, usual: Mapping[str, int], port: int) -> None:
        self._cluster, self._port = cluster, port
        self._ports = Ports()
        self._chosen = self._ports.choose(usual)
        self._over = threading.Event()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._keepers = [threading.Thread(target=self._keep, args=(name,), name=f"to {name}") for name in usual]
        self.addresses = {name: f"{LOOPBACK}:{port}" for name, port in self._chosen.items()}

    def __enter__(self) -> Forwards:
        for keeper in self._keepers:
            keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for name in list(self._running):
            self.renew(name)
        for keeper in self._keepers:
            keeper.join()
        self._ports.release()

    def renew(self, name: str) -> None:
        """Lead to another pod from now on: the one it leads to is going, or is gone."""
        if running := self._running.get(name):
            running.terminate()

    def _keep(self, name: str) -> None:
        where = ("--address", LOOPBACK, f"service/{name}", f"{self._chosen[name]}:{self._port}")
        command = ("kubectl", "--namespace", self._cluster.namespace, "port-forward", *where)
        while not self._over.is_set():
            self._running[name] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if self._over.is_set():  # asked to end between the look and the start
                self._running[name].terminate()
            self._running[name].wait()
            self._over.wait(AGAIN_SECONDS)
