"""A small disk of its own for the database: a file system in a file, mounted over a loop device. It can be filled to
the last byte, and frozen so that every write waits. Needs root on Linux; where it cannot be had, the reason is said."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MEGABYTES = 3_000
"""The image is sparse: it takes from the machine's disk only what the database writes."""
BALLAST = "ballast"
LEAST_BYTES = 4_096
STALL_SECONDS, BREATH_SECONDS = 0.5, 0.1
UNMOUNT_TRIES = 20
_FREEZE, _THAW = 0xC0045877, 0xC0045878  # FIFREEZE and FITHAW of linux/fs.h
_TOOLS = ("mkfs.ext4", "mount", "umount")


class NoDiskError(Exception):
    """A disk of its own cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted disk. `folder` holds the data."""

    folder: Path

    def fill(self) -> int:
        """Take all room that is left; returns how many bytes that was."""
        descriptor = os.open(self.folder / BALLAST, os.O_RDWR | os.O_CREAT, 0o600)
        taken = 0
        try:
            room = _free(self.folder)
            while room >= LEAST_BYTES:
                try:
                    os.posix_fallocate(descriptor, taken, room)
                    taken += room
                    room = _free(self.folder)
                except OSError as full:
                    if full.errno != errno.ENOSPC:
                        raise
                    room //= 2  # others write meanwhile, and the file system needs some for its own notes
        finally:
            os.close(descriptor)
        return taken

    def free(self) -> None:
        """Give the room back."""
        (self.folder / BALLAST).unlink(missing_ok=True)

    def stall(self, seconds: float = STALL_SECONDS) -> None:
        """Let every write wait for so long. Blocks; never leaves the disk frozen."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _FREEZE, 0)
            try:
                time.sleep(seconds)
            finally:
                fcntl.ioctl(descriptor, _THAW, 0)
        finally:
            os.close(descriptor)


def why_no_disk(
    user: Callable[[], int] = os.geteuid, find: Callable[[str], str | None] = shutil.which, platform: str = sys.platform
) -> str | None:
    """Why a disk of its own cannot be had; None when it may be tried."""
    if platform != "linux":
        return "only Linux mounts a file as a disk"
    if user() != 0:
        return "mounting needs root"
    missing = [tool for tool in _TOOLS if find(tool) is None]
    return f"{', '.join(missing)} is missing" if missing else None


@contextmanager
def mounted(folder: Path, image: Path, megabytes: int = MEGABYTES) -> Iterator[Disk]:
    """A new disk at `folder`, kept in the file `image`, as long as the block. Raises NoDiskError."""
    if why_not := why_no_disk():
        raise NoDiskError(why_not)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(megabytes * 1024 * 1024)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
    _run("mount", "-o", "loop", str(image), str(folder))
    try:
        with suppress(OSError):
            (folder / "lost+found").rmdir()  # a database's folder holds the database's files only
        yield Disk(folder)
    finally:
        _unmount(folder)


def _unmount(folder: Path) -> None:
    for _ in range(UNMOUNT_TRIES):
        try:
            _run("umount", str(folder))
            return
        except NoDiskError:
            time.sleep(0.5)  # whoever used it is still on the way out
    _run("umount", "--lazy", str(folder))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoDiskError(f"{command[0]}: {(done.stderr or done.stdout).strip()}")


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
