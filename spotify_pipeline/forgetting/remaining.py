"""What a purge can't reach, and until when it is there: said before, so that nobody is deceived."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Protocol

from spotify_pipeline.forgetting.subjects import OldDays, Playlist, Subject, User

FAIL_SAFE = 7
"""For how many days Snowflake keeps what Time Travel has let go; only Snowflake gets at it."""


class ShowsTables(Protocol):
    """A session on Snowflake."""

    def rows(self, sql: str) -> list[dict[str, Any]]: ...


def in_snowflake(session: ShowsTables, today: date) -> str:
    """What Snowflake keeps of deleted rows, by the longest of its tables' own settings."""
    tables = session.rows("SHOW TABLES IN DATABASE")
    days = max((int(row["retention_time"] or 0) for row in tables), default=1)
    end = today + timedelta(days=days + FAIL_SAFE)
    return (
        f"in Snowflake, deleted rows: by Time Travel for {days} days "
        f"(DATA_RETENTION_TIME_IN_DAYS), then in Fail-safe for {FAIL_SAFE} more, so until {end}. "
        f"Names of files stay in COPY_HISTORY for 14 days, statements with ids in QUERY_HISTORY "
        f"for up to a year"
    )


def elsewhere(subject: Subject, dagster_home: str, *, is_bucket: bool) -> Iterator[str]:
    """What stays besides."""
    yield "backups and exports that you have made"
    yield (
        f"Dagster's history in {dagster_home}, which names playlists and shows rows of days in "
        f"previews, without columns about persons: delete that folder while nothing runs, and "
        f"where PostgreSQL holds the history, its database. To delete single runs is not enough: "
        f"what an asset was last, results of checks and logs stay"
    )
    if is_bucket:
        yield (
            "what runs said: in the bucket below dagster_pipes/ for 14 days, dagster_logs/ for 90; "
            "in CloudWatch, of the Glue job and the Lambda function, for 30"
        )
    if isinstance(subject, OldDays):
        yield (
            "reports of the days that stay, which look back: what they say of older days goes with "
            "them"
        )
    if isinstance(subject, Playlist):
        yield "what the other playlists have in common with it: songs, albums, artists"
    if isinstance(subject, User):
        yield (
            "what people wrote themselves: a name or description of a playlist may say who the "
            "user is"
        )
        yield (
            "what Spotify will say: the next capture names the user again, while a playlist in "
            "SPOTIFY_PLAYLISTS has to do with them"
        )
