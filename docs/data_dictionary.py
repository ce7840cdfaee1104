"""Writes `data_dictionary.md`: every table, view and insight, column by column.

`make docs`. Tables and insights come from the contract and the questions; of the views, which the
DDL defines, the words stand here, and a test holds them to the views' columns.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from spotify_pipeline import contract
from spotify_pipeline.contract import Column, Table
from spotify_pipeline.insights.questions import QUESTIONS

FILE = Path(__file__).with_suffix(".md")

_ENTRY, _CHANGE = (
    contract.PLAYLIST_ENTRY,
    "entered, left or moved; moved is judged among what stayed",
)

VIEWS: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "PLAYLIST_TODAY": (
        "One row per entry of the latest day, with what belongs to it.",
        (
            ("snapshot_date", "the latest captured day"),
            ("playlist_name", contract.PLAYLIST.column("playlist_name").description),
            *((name, _ENTRY.column(name).description) for name in ("position", "entry_type")),
            ("entry_name", _ENTRY.column("entry_name").description),
            ("artist_names", "all artists of the song, in their order, with commas between"),
            ("album_name", contract.ALBUM.column("album_name").description),
            ("album_release_date", contract.ALBUM.column("album_release_date").description),
            ("song_duration", contract.SONG.column("song_duration").description),
            ("song_popularity", contract.SONG.column("song_popularity").description),
            ("song_explicit", contract.SONG.column("song_explicit").description),
            ("added_at", _ENTRY.column("added_at").description),
            ("playlist_id", _ENTRY.column("playlist_id").description),
            ("song_id", _ENTRY.column("song_id").description),
            ("album_id", contract.SONG.column("album_id").description),
            ("song_url", contract.SONG.column("song_url").description),
        ),
    ),
    "PLAYLIST_CHANGES": (
        "One row per entry that entered, left or moved since the playlist's previous captured day. "
        "A playlist's first captured day has none.",
        (
            ("snapshot_date", "the day"),
            ("playlist_id", _ENTRY.column("playlist_id").description),
            ("change", _CHANGE),
            ("position", "place on that day; null for what left"),
            ("previous_position", "place on the day before; null for what entered"),
            ("entry_type", _ENTRY.column("entry_type").description),
            ("entry_name", _ENTRY.column("entry_name").description),
            ("song_id", _ENTRY.column("song_id").description),
            ("previous_date", "the playlist's captured day before"),
            ("gap_days", "days between the two; more than 1 where days were missed"),
        ),
    ),
}

_OPS = """\
## OPS

| table | one row per | columns |
|---|---|---|
| `OPS.LEDGER` | published day | `snapshot_date`, `batch`, `digest` (of what the batch was made \
from), `published_at`, `row_counts` (JSON: rows by table) |
| `OPS.MISSED` | playlist and day that nobody can capture any more | `snapshot_date`, \
`playlist_id`, `reason`, `noted_at` |
| `OPS.SCHEMA_VERSION` | migration | `version`, `name`, `applied_at` |
"""

_QUERIES = """\
## Queries to begin with

They run on DuckDB and on Snowflake alike.

The ten songs that are in most playlists today:

```sql
SELECT s.song_name, count(DISTINCT e.playlist_id) AS playlists, min(e.position) AS best_position
FROM HISTORY.PLAYLIST_ENTRY AS e
JOIN HISTORY.SONG AS s ON s.snapshot_date = e.snapshot_date AND s.song_id = e.song_id
WHERE e.snapshot_date = (SELECT max(snapshot_date) FROM OPS.LEDGER)
GROUP BY s.song_id, s.song_name
ORDER BY playlists DESC, best_position
LIMIT 10;
```

What entered or left in the last seven days:

```sql
SELECT c.snapshot_date, p.playlist_name, c.change, c.entry_name
FROM PUBLIC.PLAYLIST_CHANGES AS c
JOIN HISTORY.PLAYLIST AS p
    ON p.snapshot_date = c.snapshot_date AND p.playlist_id = c.playlist_id
WHERE c.change <> 'moved'
    AND c.snapshot_date > (SELECT max(snapshot_date) FROM OPS.LEDGER) - 7
ORDER BY c.snapshot_date DESC, p.playlist_name, c.change, c.entry_name;
```

A song's places over time:

```sql
SELECT e.snapshot_date, p.playlist_name, e.position
FROM HISTORY.PLAYLIST_ENTRY AS e
JOIN HISTORY.PLAYLIST AS p
    ON p.snapshot_date = e.snapshot_date AND p.playlist_id = e.playlist_id
WHERE e.song_id = (SELECT min(song_id) FROM PUBLIC.TB_SONG)
ORDER BY p.playlist_name, e.snapshot_date;
```

Songs that were seen once and are in no playlist any more:

```sql
SELECT s.song_name, a.artist_name, s.first_seen, s.last_seen
FROM PUBLIC.TB_SONG AS s
LEFT JOIN PUBLIC.TB_ARTIST AS a ON a.artist_id = s.artist_id
WHERE s.last_seen < (SELECT max(snapshot_date) FROM OPS.LEDGER)
ORDER BY s.last_seen DESC, s.song_name;
```

Days on which a playlist was not captured, and why:

```sql
SELECT snapshot_date, playlist_id, reason FROM OPS.MISSED ORDER BY snapshot_date DESC, playlist_id;
```
"""


def text() -> str:
    """The page."""
    return "\n".join(
        [
            "# Data dictionary",
            "",
            "Written by `make docs` from [`contract.py`](../spotify_pipeline/contract.py) and "
            "[`questions.py`](../spotify_pipeline/insights/questions.py): change it there. All "
            "times are UTC. *Personal* marks what tells about a person: it stays out of previews "
            "and reports.",
            "",
            "## HISTORY: every day",
            "",
            "Exactly the rows of the day's current batch. `LANDING` has the same tables as the "
            "pipes loaded them, with "
            + ", ".join(f"`{column.name}` ({column.description})" for column in contract.ARRIVAL)
            + "; it may be pruned, so query `HISTORY`.",
            "",
            *(_table(f"HISTORY.{table.name.upper()}", table) for table in contract.TABLES),
            "## PUBLIC: one row per id",
            "",
            "Of each id the row that was fetched last, on whatever day, and when it was seen.",
            "",
            *(
                _table(f"PUBLIC.{table.name.upper()}", table)
                for table in map(contract.current, contract.CURRENT)
            ),
            "## PUBLIC: views",
            "",
            *(_view(f"PUBLIC.{name}", *view) for name, view in VIEWS.items()),
            _OPS,
            "## Insights",
            "",
            "Questions about one day, answered in the UI with a plot, and anywhere else by their "
            "files, which run as they are, on both databases.",
            "",
            *(
                _section(
                    f"[`{question.name}.sql`](../spotify_pipeline/insights/sql/{question.name}.sql)",
                    question.grain,
                    ("column", "type", "what it is"),
                    ((f"`{c.name}`", c.type, c.description) for c in question.columns),
                )
                for question in QUESTIONS
            ),
            _QUERIES.rstrip(),
            "",
        ]
    )


def _table(name: str, table: Table) -> str:
    return _section(
        f"`{name}`",
        f"{table.grain}; key {', '.join(f'`{column}`' for column in table.key)}",
        ("column", "type", "what it is", "in Spotify's answer"),
        (_row(column) for column in table.columns),
    )


def _row(column: Column) -> Sequence[str]:
    marks = ["never null"] * (not column.nullable) + ["personal"] * column.personal
    points = [f"see `{column.references.upper()}`"] if column.references else []
    return (
        f"`{column.name}`",
        str(column.type),
        "; ".join([column.description, *points, *(f"*{mark}*" for mark in marks)]),
        ", ".join(f"`{source}`" for source in column.sources),
    )


def _view(name: str, meaning: str, columns: Iterable[Sequence[str]]) -> str:
    rows = ((f"`{column}`", description) for column, description in columns)
    return _section(f"`{name}`", meaning, ("column", "what it is"), rows)


def _section(title: str, meaning: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [header, ["---"] * len(header), *rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    return f"### {title}\n\n{meaning[0].upper()}{meaning[1:].removesuffix('.')}.\n\n{table}\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
