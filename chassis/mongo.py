"""MongoDB: the only file that knows the driver. Motor by default, PyMongo's own asyncio client by setting; both speak
through the same few calls below.

Writes are acknowledged by a majority and journaled. One document per record; see `record` for what is in it.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

from bson import decode
from bson.errors import BSONError, InvalidDocument
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, InsertOne, ReadPreference, UpdateOne, timeout
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.read_concern import ReadConcern

from chassis.keeping import Keeping
from chassis.mongo_records import MongoRecords
from chassis.personal import Ring
from chassis.projection import BulkResult, Document, Update
from chassis.record import Aggregate
from chassis.store import StoreUnavailable, Unstorable

Driver = Literal["motor", "pymongo"]

_DUPLICATE_KEY = 11000
# github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml: BadValue, FailedToParse, TypeMismatch,
# PathNotViable, ConflictingUpdateOperators, field names that cannot be, ImmutableField, document too large.
_NEVER = frozenset({2, 9, 14, 28, 40, 52, 56, 57, 66, 10334, 17419, 17420})
_SERVER_SELECTION_MS = 3_000
_SOCKET_MS = 5_000
_INDEX_SECONDS = 3_600.0
_SUM_SECONDS = 60.0
_RAW_MS = 60_000


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Driver errors become `StoreUnavailable`: the caller cannot know whether the write happened. What the driver
    cannot even write down is `Unstorable`."""
    try:
        yield
    except (InvalidDocument, OverflowError) as problem:
        raise Unstorable(f"MongoDB: {problem}") from problem
    except PyMongoError as problem:
        raise StoreUnavailable(f"MongoDB: {problem}") from problem


class Collection:
    """The calls that services need for what is not a record: projections, balances, views."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection
        self._replicated: bool | None = None

    async def find(
        self,
        filter: Document,
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        index: Sequence[tuple[str, int]] | None = None,
    ) -> list[dict[str, Any]]:
        """Documents that match, with only `fields` when given (dots allowed). `index`: the one to read, by its keys."""
        with _answering():
            cursor = self._collection.find(filter, list(fields) if fields is not None else None)
            if index is not None:
                cursor = cursor.hint(list(index))
            if sort:
                cursor = cursor.sort(list(sort))
            cursor = cursor.limit(limit)
            found: list[dict[str, Any]] = await cursor.to_list(None)
            return found

    async def find_certainly(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Documents, each as the majority has it: a primary that was replaced answers old things for some seconds until
        it knows (mongodb.com/docs/manual/reference/read-concern-linearizable). The server looks first and then waits
        until a majority confirms that it leads: so each is certain, though not all as of one moment. A standalone
        server has no others, and refuses the question."""
        with _answering():
            if self._replicated is None:
                hello = await self._collection.database.command("hello")
                self._replicated = "setName" in hello or hello.get("msg") == "isdbgrid"
            concern = ReadConcern("linearizable" if self._replicated else "local")
            reading = self._collection.with_options(read_concern=concern)
            cursor = reading.find({"_id": {"$in": list(ids)}}, max_time_ms=_SOCKET_MS)
            found: list[dict[str, Any]] = await cursor.to_list(None)
            return found

    async def aggregate(self, pipeline: Sequence[Document]) -> list[dict[str, Any]]:
        """The result of an aggregation pipeline. It may read all there is: take a minute, and the disk for sorting."""
        with _answering(), timeout(_SUM_SECONDS):
            cursor = self._collection.aggregate(list(pipeline), allowDiskUse=True)
            if inspect.isawaitable(cursor):
                cursor = await cursor
            found: list[dict[str, Any]] = await cursor.to_list(None)
            return found

    async def update_all(self, updates: Iterable[Update]) -> BulkResult:
        """Apply all updates in one round trip, unordered."""
        operations = [UpdateOne(update.filter, update.change, upsert=update.upsert) for update in updates]
        return await self._bulk(operations)

    async def insert_new(self, documents: Iterable[Document]) -> frozenset[int]:
        """Insert documents in one round trip; returns the positions of those whose `_id` was there before, which are
        left as they were."""
        result = await self._bulk([InsertOne(document) for document in documents])
        return result.duplicates

    async def _bulk(self, operations: Sequence[Any]) -> BulkResult:
        if not operations:
            return BulkResult(0, 0, frozenset())
        with _answering():
            try:
                result = await self._collection.bulk_write(operations, ordered=False)
            except BulkWriteError as problem:
                details = problem.details or {}
                errors = details.get("writeErrors", [])
                if any(error.get("code") in _NEVER for error in errors):
                    raise Unstorable(f"MongoDB: {errors[0].get('errmsg')}") from problem
                if details.get("writeConcernErrors") or any(error.get("code") != _DUPLICATE_KEY for error in errors):
                    raise
                duplicates = frozenset(int(error["index"]) for error in errors)
                return BulkResult(int(details.get("nMatched", 0)), int(details.get("nUpserted", 0)), duplicates)
            return BulkResult(result.matched_count, result.upserted_count, frozenset())

    async def count(self, filter: Document) -> int:
        """How many documents match."""
        with _answering():
            return int(await self._collection.count_documents(filter))

    async def delete(self, filter: Document) -> None:
        """Delete every document that matches."""
        with _answering():
            await self._collection.delete_many(filter)

    async def ensure_index(self, keys: Sequence[tuple[str, int]], *, partial: Document | None = None) -> None:
        """Make an index unless it is there. Over many documents that takes minutes, in which others read and write."""
        options: dict[str, Any] = {} if partial is None else {"partialFilterExpression": partial}
        with _answering(), timeout(_INDEX_SECONDS):
            await self._collection.create_index(list(keys), **options)


class Database:
    """One service's database; what it keeps about people is sealed with `ring`. Close it before the event loop ends."""

    def __init__(self, url: str, name: str, driver: Driver = "motor", ring: Ring | None = None) -> None:
        self._ring = ring
        options: dict[str, Any] = {
            "tz_aware": True,
            "w": "majority",
            "journal": True,
            "retryWrites": False,  # a standalone server has none, and `save` knows its own writes by their token
            "retryReads": False,  # who hears messages tries again by itself; who asks over HTTP wants an answer soon
            "serverSelectionTimeoutMS": _SERVER_SELECTION_MS,
            "socketTimeoutMS": _SOCKET_MS,
            "appname": name,
        }
        connect: Callable[..., Any] = AsyncIOMotorClient if driver == "motor" else AsyncMongoClient
        self._client: Any = connect(url, **options)
        # Whatever the address says: decisions are made on what is there now.
        self._database = self._client.get_database(name, read_preference=ReadPreference.PRIMARY)

    def collection(self, name: str) -> Collection:
        """A collection for what is not a record."""
        return Collection(self._database[name])

    def store(self, aggregate: Aggregate[Any]) -> MongoRecords:
        """The records of one kind."""
        return MongoRecords(self.collection(aggregate.name), self.keeping(aggregate))

    def keeping(self, aggregate: Aggregate[Any]) -> Keeping:
        """How the records of one kind stand in their documents."""
        return Keeping(aggregate, self._ring)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the server answers and takes writes: one with a full disk still answers."""
        with _answering():
            await self._database["readiness"].update_one({"_id": "ready"}, {"$inc": {"asked": 1}}, upsert=True)

    async def close(self) -> None:
        """Close all connections."""
        closing = self._client.close()
        if inspect.isawaitable(closing):
            await closing


class Server:
    """A whole server for who copies it: documents as the bytes that lie there (BSON), of whichever database. Close
    it in the end. Every call may raise StoreUnavailable."""

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = {"w": "majority", "journal": True, "serverSelectionTimeoutMS": _SERVER_SELECTION_MS}
        self._client: Any = AsyncMongoClient(url, **options, socketTimeoutMS=_RAW_MS, appname="tuidan-backup")
        self._session: Any = None

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def facts(self) -> tuple[str, bool]:
        """Its version, and whether it keeps snapshots: a standalone server does not."""
        with _answering():
            hello, built = [await self._client.admin.command(word) for word in ("hello", "buildInfo")]
            return str(built["version"]), "setName" in hello or hello.get("msg") == "isdbgrid"

    @contextlib.asynccontextmanager
    async def one_moment(self) -> AsyncIterator[None]:
        """Inside, everything is read as it was at the first read, in all databases
        (mongodb.com/docs/manual/reference/read-concern-snapshot)."""
        async with self._client.start_session(snapshot=True) as session:
            self._session = session
            yield
        self._session = None

    async def connected(self) -> set[str]:
        """Names of the programs connected now, to `mongos` where it is one; a `Database` is named like its own."""
        with _answering():
            asked = {"$currentOp": {"allUsers": True, "idleConnections": True, "localOps": True}}
            cursor = await self._client.admin.aggregate([asked, {"$group": {"_id": "$appName"}}])
            return {str(row["_id"]) for row in await cursor.to_list()}

    async def collections(self, database: str) -> list[str]:
        """Names of a database's collections; none when there is no such database."""
        with _answering():
            found: list[str] = await self._client[database].list_collection_names(filter={"type": "collection"})
            return sorted(name for name in found if not name.startswith("system."))

    async def raw(self, database: str, collection: str) -> AsyncIterator[bytes]:
        """All documents in the order of their ids, several together in one piece of at most 16 MB."""
        with _answering():
            options = {"sort": [("_id", 1)], "session": self._session}
            async for piece in self._client[database][collection].find_raw_batches({}, **options):
                yield piece

    async def count(self, database: str, collection: str) -> int:
        """How many documents there are."""
        with _answering():
            return int(await self._client[database][collection].count_documents({}, session=self._session))

    async def put(self, database: str, collection: str, documents: Sequence[bytes | Document]) -> None:
        """Insert documents; a majority has them on disk then."""
        with _answering():
            raw = [RawBSONDocument(one) if isinstance(one, bytes) else one for one in documents]
            await self._client[database][collection].insert_many(raw)

    async def drop(self, database: str, collection: str = "") -> None:
        """Delete a collection, or a whole database."""
        with _answering():
            place = self._client[database]
            await (place.drop_collection(collection) if collection else self._client.drop_database(database))

    async def command(self, words: Document) -> dict[str, Any]:
        """An administrator's command."""
        with _answering():
            answer: dict[str, Any] = await self._client.admin.command(words)
            return answer


def plain(document: bytes) -> dict[str, Any]:
    """A document of `Server.raw` as plain data. Raises ValueError when it is none."""
    try:
        return dict(decode(document))
    except BSONError as problem:
        raise ValueError(f"not a document: {problem}") from problem
