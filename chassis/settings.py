"""What every service reads from its environment, all prefixed `TUIDAN_`. A missing or wrong variable stops the start
with one line that names it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

T = TypeVar("T", bound="HttpSettings")


MONGO_WRONG = "no address that the driver can read; in user and password write @ as %40, : as %3A, / as %2F, % as %25"
_WORD = r"(?:[^:@/?%]|%[0-9A-Fa-f]{2})*"
_HOST = r"(?:\[[^@/?\]]*\]|[^:@/?,])+(?::\d{1,5})?"
_MONGO = re.compile(rf"mongodb(?:\+srv)?://(?:{_WORD}(?::{_WORD})?@)?{_HOST}(?:,{_HOST})*(?:[/?].*)?", re.DOTALL)


def is_mongo_address(url: str) -> bool:
    """Whether MongoDB's driver can make something of it, as far as one sees without asking anybody."""
    return _MONGO.fullmatch(url) is not None


def _mongo_address(url: str) -> str:
    url = url.strip()  # one that comes from a file ends in a line feed, which the driver takes for a database's name
    if not is_mongo_address(url):
        raise ValueError(MONGO_WRONG)  # not the driver's own words, which may repeat a part of a password
    return url


MongoAddress = Annotated[str, Field(description="MongoDB connection string"), AfterValidator(_mongo_address)]


class HttpSettings(BaseSettings):
    """For a service that only speaks HTTP."""

    model_config = SettingsConfigDict(env_prefix="TUIDAN_", frozen=True, extra="ignore")

    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=1, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otlp_endpoint: str = Field("", description="where traces go, http://HOST:4318/v1/traces; empty: none are made")
    trace_share: float = Field(1.0, ge=0, le=1, description="of the traces that begin here, how many are kept")
    stop_seconds: float = Field(12.0, gt=0, description="how long a graceful stop may take")


class ServiceSettings(HttpSettings):
    """For a service that hears topics and keeps records."""

    kafka: str = Field(description="bootstrap servers, host:port[,host:port]")
    kafka_session_ms: int = Field(
        10_000, ge=1_000, le=300_000, description="a killed member's share waits this long for its successor"
    )
    kafka_fetch_wait_ms: int = Field(500, ge=1, le=5_000, description="how long the broker may hold an empty fetch")
    kafka_gather_ms: int = Field(
        0, ge=0, le=5_000, description="how long messages gather before they are heard together; 0: heard at once"
    )
    mongo: MongoAddress
    mongo_driver: Literal["motor", "pymongo"] = "motor"
    sweep_after_seconds: float = Field(
        15.0, gt=0, description="age at which unsaid messages are taken up; longer than any call to a provider"
    )
    sweep_every_seconds: float = Field(1.0, gt=0)
    timers_every_seconds: float = Field(0.25, gt=0)


class KeySettings(BaseSettings):
    """For a service that signs or verifies: secrets are files in one mounted folder, never values here."""

    model_config = SettingsConfigDict(env_prefix="TUIDAN_", frozen=True, extra="ignore")

    keys: Path = Field(description="folder with key files")


def load(settings: type[T]) -> T:
    """Read the environment, or leave the process with exit code 2 and a line per variable that is missing or wrong."""
    try:
        return settings()
    except ValidationError as problem:
        for error in problem.errors():
            variable = "TUIDAN_" + "_".join(str(part) for part in error["loc"]).upper()
            what = settings.model_fields[str(error["loc"][0])].description if error["loc"] else None
            sys.stderr.write(f"{variable}: {error['msg']}" + (f" ({what})" if what else "") + "\n")
        raise SystemExit(2) from problem


def read_key(folder: Path, name: str) -> str:
    """The text of a key file. Leaves the process with exit code 2 and the file's name when it cannot be read."""
    try:
        return (folder / name).read_text(encoding="utf-8").strip()
    except OSError as problem:
        sys.stderr.write(f"TUIDAN_KEYS: cannot read {name} in {folder}: {problem.strerror}\n")
        raise SystemExit(2) from problem
