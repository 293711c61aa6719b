"""What a backup is on disk: one gzipped file of BSON documents per collection, as mongodump writes them, and a manifest
that is written last. Without a manifest a folder is no backup."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from chassis.store import RESTORING
from tools.stack.layout import SERVICES

MANIFEST = "manifest.json"
DATABASES = tuple(f"tuidan_{name}" for name in SERVICES)
LEFT_OUT = frozenset({"readiness", RESTORING})
"""Collections that say something about a running database only."""
COLLECTION = r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$"
"""Names that can be a file's. Also of what is none of ours: somebody has put a copy aside."""
PIECE = 1 << 20
_SMALLEST = 5
_LARGEST = 48 * 1024 * 1024

Progress = Callable[[str], None]


class BackupDamaged(Exception):
    """The folder is not the backup its manifest says it is; the text names the file and what is wrong."""


class Part(BaseModel):
    """One collection. `sha256` is the file's, `content` that of its documents in whatever order (see `Content`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: str = Field(pattern=r"^[a-z0-9_]+$")
    collection: str = Field(pattern=COLLECTION)
    documents: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str
    content: str

    @property
    def name(self) -> str:
        return f"{self.database}/{self.collection}"

    def path(self, folder: Path) -> Path:
        """Its file."""
        return folder / self.database / f"{self.collection}.bson.gz"


class Manifest(BaseModel):
    """`taken_at`: everything before this moment is in it. `snapshot`: read at one moment of a running system; else
    nobody was writing. `digest`: of everything else in here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    tuidan: str
    mongodb: str
    taken_at: AwareDatetime
    finished_at: AwareDatetime
    snapshot: bool
    databases: tuple[str, ...]
    parts: tuple[Part, ...]
    digest: str = ""

    def sealed(self) -> Manifest:
        """The same with its digest."""
        return self.model_copy(update={"digest": self._digest()})

    def is_whole(self) -> bool:
        return self.digest == self._digest()

    def _digest(self) -> str:
        text = json.dumps(self.model_dump(mode="json", exclude={"digest"}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def part(self, database: str, collection: str) -> Part | None:
        return next((one for one in self.parts if (one.database, one.collection) == (database, collection)), None)


@dataclass(slots=True)
class Content:
    """Counts documents and adds up their SHA-256, so that the same documents in another order are the same content."""

    documents: int = 0
    size: int = 0
    _sum: int = field(default=0)

    def add(self, document: bytes) -> None:
        self.documents += 1
        self.size += len(document)
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(document).digest())) % (1 << 256)

    @property
    def digest(self) -> str:
        return f"{self._sum:064x}"


def split(piece: bytes) -> Iterator[bytes]:
    """The documents in a run of them. Each begins with its own length. Raises BackupDamaged."""
    at = 0
    while at < len(piece):
        length = struct.unpack_from("<i", piece, at)[0] if len(piece) - at >= _SMALLEST else 0
        if not _SMALLEST <= length <= len(piece) - at or piece[at + length - 1]:
            raise BackupDamaged("a document is cut off or not a document")
        yield piece[at : at + length]
        at += length


class Writer:
    """Writes one collection's file; counts and sums up on the way."""

    def __init__(self, folder: Path, database: str, collection: str) -> None:
        self._where = (folder, database, collection)
        self.content = Content()

    def opened(self) -> gzip.GzipFile:
        """Its file, new."""
        folder, database, collection = self._where
        (folder / database).mkdir(mode=0o700, exist_ok=True)
        path = folder / database / f"{collection}.bson.gz"
        return gzip.GzipFile(path, "wb", compresslevel=3, mtime=0)

    def add(self, file: gzip.GzipFile, piece: bytes) -> None:
        """Write a run of documents."""
        for document in split(piece):
            self.content.add(document)
        file.write(piece)

    def part(self) -> Part:
        """What was written, once it is on the disk."""
        folder, database, collection = self._where
        path = folder / database / f"{collection}.bson.gz"
        with path.open("rb") as file:
            os.fsync(file.fileno())
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        seen = self.content
        return Part(
            database=database,
            collection=collection,
            documents=seen.documents,
            bytes=seen.size,
            sha256=sha256,
            content=seen.digest,
        )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """In one step: a folder has a whole manifest or none. Afterwards all of it is on the disk."""
    partial = folder / f"{MANIFEST}.partial"
    with partial.open("w", encoding="utf-8") as file:
        file.write(manifest.sealed().model_dump_json(indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    for inside in {part.path(folder).parent for part in manifest.parts}:
        _names_to_disk(inside)
    partial.replace(folder / MANIFEST)
    _names_to_disk(folder)
    _names_to_disk(folder.absolute().parent)


def _names_to_disk(folder: Path) -> None:
    """What is in a folder under which name: a power cut must not take a file that was said to be there."""
    with suppress(OSError):  # some file systems of a network cannot be asked for that
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_manifest(folder: Path) -> Manifest:
    """Raises BackupDamaged."""
    path = folder / MANIFEST
    if not path.is_file():
        raise BackupDamaged(f"{folder} has no {MANIFEST}: it is no backup, or one that was never finished")
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as problem:
        raise BackupDamaged(f"{path} cannot be read: {problem.errors()[0]['msg']}") from problem
    if not manifest.is_whole():
        raise BackupDamaged(f"{path} is not as it was written")
    return manifest


def documents(folder: Path, part: Part) -> Iterator[bytes]:
    """A collection's documents in the order of their ids, one at a time. Raises BackupDamaged."""
    try:
        with gzip.open(part.path(folder), "rb") as file:
            while (document := _next(file)) is not None:
                yield document
    except FileNotFoundError as problem:
        raise BackupDamaged(f"{part.name}: its file is missing") from problem
    except (OSError, EOFError, zlib.error, BackupDamaged) as problem:
        raise BackupDamaged(f"{part.name}: {problem}") from problem


def _next(file: gzip.GzipFile) -> bytes | None:
    head = file.read(4)
    if not head:
        return None
    length = struct.unpack("<i", head)[0] if len(head) == 4 else 0
    if not _SMALLEST <= length <= _LARGEST:
        raise BackupDamaged("a document is cut off or not a document")
    rest = file.read(length - 4)
    if len(rest) < length - 4 or rest[-1]:
        raise BackupDamaged("a document is cut off or not a document")
    return head + rest


def check_files(folder: Path, say: Progress) -> Manifest:
    """Every file against the manifest: there, unchanged, whole, with the count it should have. Raises BackupDamaged."""
    manifest = read_manifest(folder)
    for part in manifest.parts:
        say(f"{part.name}: checking {part.documents:,}")
        path = part.path(folder)
        if not path.is_file():
            raise BackupDamaged(f"{part.name}: its file is missing")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != part.sha256:
                raise BackupDamaged(f"{part.name}: its file is not as it was written (SHA-256)")
        seen = Content()
        for document in documents(folder, part):
            seen.add(document)
        if (seen.documents, seen.size, seen.digest) != (part.documents, part.bytes, part.content):
            raise BackupDamaged(f"{part.name}: {seen.documents} documents, the manifest says {part.documents}")
    return manifest
