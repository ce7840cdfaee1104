"""Where things lie in the lake: every key is made and taken apart here, and nowhere else."""

import re
from datetime import date, datetime

STAMP = "source.json"
TRANSFORMED = "transformed_data/"
MANIFESTS = "manifests/"
RAW = "raw_data/"
ATTEMPTS = "attempts/"
REPORTS = "reports/"
DAGSTER_PIPES = "dagster_pipes/"

_RAW = re.compile(rf"{RAW}dt=([\d-]{{10}})/([\w-]+)\.ndjson\.gz", re.ASCII)
_MANIFEST = re.compile(rf"{MANIFESTS}dt=([\d-]{{10}})/(\d{{1,9}})\.json", re.ASCII)
_BATCH_FILE = re.compile(
    rf"{TRANSFORMED}(\w+)_data/dt=([\d-]{{10}})/(\d{{1,9}})-[\w-]+/\1\.csv\.gz", re.ASCII
)
_ATTEMPT = re.compile(rf"{ATTEMPTS}dt=[\d-]{{10}}/\d{{8}}T\d{{6}}-(\d{{1,9}})\.json", re.ASCII)
_DAY = re.compile(r"/dt=([\d-]{10})/", re.ASCII)


def raw_prefix(day: date) -> str:
    return f"{RAW}dt={day}/"


def raw(day: date, playlist_id: str) -> str:
    return f"{raw_prefix(day)}{playlist_id}.ndjson.gz"


def playlist_of(raw_key: str) -> str:
    return raw_key.rsplit("/", 1)[1].removesuffix(".ndjson.gz")


def parse_raw(key: str) -> tuple[date, str] | None:
    """The day and playlist of a raw document; None for whatever else somebody put there."""
    found = _RAW.fullmatch(key)
    day = _date(found[1]) if found else None
    return (day, found[2]) if found and day else None


def is_stray(key: str) -> bool:
    """Whether somebody put it among raw documents, as do programs that keep folders in step."""
    return key.startswith(RAW) and not parse_raw(key)


def attempts_prefix(day: date) -> str:
    return f"{ATTEMPTS}dt={day}/"


def attempt(day: date, started_at: datetime, number: int) -> str:
    return f"{attempts_prefix(day)}{started_at:%Y%m%dT%H%M%S}-{number:03}.json"


def parse_attempt(key: str) -> int | None:
    """The place of an attempt among those of its day; None for whatever else somebody put there."""
    found = _ATTEMPT.fullmatch(key)
    return int(found[1]) if found else None


def table_prefix(table: str) -> str:
    return f"{TRANSFORMED}{table}_data/"


def batch_prefix(table: str, day: date, batch: int, digest: str) -> str:
    return f"{table_prefix(table)}dt={day}/{batch}-{digest}/"


def batch_file(table: str, day: date, batch: int, digest: str) -> str:
    return f"{batch_prefix(table, day, batch, digest)}{table}.csv.gz"


def parse_batch_file(key: str) -> tuple[date, int] | None:
    """The day and batch of a batch's file; None for whatever else somebody put there."""
    found = _BATCH_FILE.fullmatch(key)
    day = _date(found[2]) if found else None
    return (day, int(found[3])) if found and day else None


def manifests_prefix(day: date) -> str:
    return f"{MANIFESTS}dt={day}/"


def manifest(day: date, batch: int) -> str:
    return f"{manifests_prefix(day)}{batch}.json"


def reports_prefix(day: date) -> str:
    return f"{REPORTS}dt={day}/"


def report(day: date, batch: int, digest: str) -> str:
    return f"{reports_prefix(day)}{batch}-{digest}.html"


def parse_manifest(key: str) -> tuple[date, int] | None:
    """The day and batch of a manifest; None for whatever else somebody put there."""
    found = _MANIFEST.fullmatch(key)
    day = _date(found[1]) if found else None
    return (day, int(found[2])) if found and day else None


def parse_day(key: str) -> date | None:
    """The snapshot date in a key; None for whatever else somebody put there."""
    found = _DAY.search(key)
    return _date(found[1]) if found else None


def day_of(key: str) -> date:
    """The snapshot date in a key of ours; ValueError where there is none."""
    day = parse_day(key)
    if not day:
        raise ValueError(f"{key!r} has no dt=YYYY-MM-DD")
    return day


def _date(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None  # other spellings would be other keys
