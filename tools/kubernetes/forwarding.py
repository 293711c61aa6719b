"""The way from this machine into the cluster: `kubectl port-forward` to a pod that hands connections on (`inside`)."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping

from tools.kubernetes.cluster import Cluster
from tools.kubernetes.inside import DOORS
from tools.stack.ports import LOOPBACK, Ports

AGAIN_SECONDS = 0.3


class Forward:
    """Started again whenever it ends. Use it as a context manager. `addresses`: host:port by service."""

    def __init__(self, cluster: Cluster, pod: str, usual: Mapping[str, int]) -> None:
        self._cluster, self._pod = cluster, pod
        self._ports = Ports()
        self._chosen = self._ports.choose(usual)
        self._over = threading.Event()
        self._broken_off = threading.Event()
        self._running: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name=f"to {pod}")
        self.addresses = {name: f"{LOOPBACK}:{port}" for name, port in self._chosen.items()}

    def __enter__(self) -> Forward:
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.break_off()
        self._keeper.join()
        self._ports.release()

    def break_off(self) -> None:
        """End the one that runs, or is just being started."""
        self._broken_off.set()
        if self._running is not None:
            self._running.terminate()

    def _keep(self) -> None:
        pairs = [f"{port}:{DOORS[name]}" for name, port in self._chosen.items()]
        where = ("--address", LOOPBACK, f"pod/{self._pod}", *pairs)
        command = ("kubectl", "--namespace", self._cluster.namespace, "port-forward", *where)
        while not self._over.is_set():
            self._running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if self._broken_off.is_set():  # by somebody who could not know this one yet
                self._running.terminate()
            self._running.wait()
            self._over.wait(AGAIN_SECONDS)
            self._broken_off.clear()  # then `_over` is looked at: `__exit__` sets that one first
