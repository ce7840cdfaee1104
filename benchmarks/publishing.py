"""Landing and publishing a day in DuckDB: what the 30th and the 365th day cost next to the first.

`python -m benchmarks.publishing`: a year of batches of 20 playlists with 100 entries is made first
and kept in `--data`. Then the days come one after another into a fresh lake and database file, and
each is landed and published as the graph's steps do it, without the graph. A round pairs one of the
first days with one of the days around the 30th, and with one of the last.
"""

import tempfile
from pathlib import Path
from time import perf_counter

from benchmarks import rounds
from benchmarks.history import add_day, lake_with
from benchmarks.raw_documents import DATA
from benchmarks.rounds import Figure, Result, Row, Took
from spotify_pipeline import contract
from spotify_pipeline.clock import machine_clock
from spotify_pipeline.lake import manifests
from spotify_pipeline.lake.store import FolderStore
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.duckdb import DuckDBDatabase
from spotify_pipeline.loading.embedded_pipe import EmbeddedPipe

GOAL = 1.3


def load_and_publish(source: Path, days: list, lake: Path) -> tuple[list[Took], list[Took]]:
    """What landing and publishing took, day after day."""
    store, database = FolderStore(lake), DuckDBDatabase(lake / "spotify.duckdb")
    landing, publication = [], []
    for day in days:
        add_day(source, lake, day)
        began = perf_counter()
        with database.session() as session:
            pipe = EmbeddedPipe(store)
            for table in contract.TABLES:
                pipe.load(session, table)
        landing.append(Took(perf_counter() - began))
        began = perf_counter()
        with database.session() as session:
            manifest = manifests.current(store, day)
            assert manifest
            publishing.publish(session, manifest, machine_clock())
        publication.append(Took(perf_counter() - began))
    return landing, publication


def main() -> None:
    parser = rounds.arguments(__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--playlists", type=int, default=20)
    parser.add_argument("--entries", type=int, default=100)
    parser.add_argument("--data", type=Path, default=DATA, help="where the batches are kept")
    asked = parser.parse_args()
    source, days = lake_with(asked.days, asked.playlists, asked.entries, asked.data)
    result = Result("publishing")
    with tempfile.TemporaryDirectory(dir=asked.data) as folder:
        steps = dict(
            zip(("landed", "published"), load_and_publish(source, days, Path(folder)), strict=True)
        )
        size = (Path(folder) / "spotify.duckdb").stat().st_size
    both = [
        Took(landing.seconds + publication.seconds)
        for landing, publication in zip(*steps.values(), strict=True)
    ]
    number = asked.rounds
    first = slice(1, number + 1)  # the very first day makes the tables
    for name, turns in {**steps, "both": both}.items():
        for last in (30, asked.days):
            result.tell(
                Row(
                    f"a day {name}" if name != "both" else "both",
                    f"day {last}",
                    "day 1",
                    turns[last - number : last],
                    turns[first],
                    GOAL if last == asked.days else None,
                    floor=True,
                )
            )
    result.tell(Figure(f"the file after {asked.days} days", [size / 1e6], "MB"))
    result.write(asked.results)


if __name__ == "__main__":
    main()
