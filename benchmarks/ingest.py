"""Capturing a day from a Spotify that answers late, next to loops, a loader and the floor.

`python -m benchmarks.ingest`: 40 playlists of 1,000 entries, 50 ms, 4 calls at a time. Every
contestant reads all pages and puts them on the disk; ours also counts them against the total and
asks each playlist in the end whether it changed meanwhile. The floor is what the lateness costs:
our calls × latency / concurrency. dlt's client, too, reads 4 playlists at a time; its REST source,
as it is by default, makes one call after another.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks import rounds
from benchmarks.rounds import Result, Row, Took
from benchmarks.spotify import CREDENTIALS, Spotify, spotify
from spotify_pipeline.clock import machine_clock, today
from spotify_pipeline.ingest.client import Credentials, SpotifyClient
from spotify_pipeline.ingest.day import CapturePolicy, capture_day
from spotify_pipeline.ingest.reader import Listing, Reply
from spotify_pipeline.lake.store import FolderStore


class CountingClient(SpotifyClient):
    """Counts its calls."""

    calls = 0

    def playlist(self, playlist_id: str) -> Reply:
        self.calls += 1
        return super().playlist(playlist_id)

    def page(self, playlist_id: str, listing: Listing, offset: int) -> Reply:
        self.calls += 1
        return super().page(playlist_id, listing, offset)

    def snapshot_id(self, playlist_id: str) -> str | None:
        self.calls += 1
        return super().snapshot_id(playlist_id)


def captured(there: Spotify, concurrency: int, folder: Path) -> int:
    """A day by the pipeline; the number of its calls."""
    client = CountingClient(Credentials(*CREDENTIALS), there.api_url, there.accounts_url)
    reports = capture_day(
        client,
        FolderStore(folder),
        there.playlist_ids,
        today(machine_clock),
        machine_clock,
        lambda _: None,
        CapturePolicy(concurrency=concurrency),
    )
    assert {report.outcome for report in reports} == {"captured"}, reports
    return client.calls


def by_spotipy(there: Spotify, folder: Path) -> None:
    from benchmarks.contestants.spotipy_loop import write_lines

    write_lines(there.api_url, there.token(), there.playlist_ids, folder / "lines.ndjson")


def by_dlt(there: Spotify, concurrency: int, folder: Path) -> None:
    import dlt

    from benchmarks.contestants.dlt_pipeline import pipeline, raw_answers

    dlt.config["extract.workers"] = concurrency
    source = raw_answers(there.api_url, there.token(), there.playlist_ids)
    pipeline(str(folder / "none.duckdb"), str(folder)).extract(source)


def by_dlts_source(there: Spotify, folder: Path) -> None:
    from benchmarks.contestants.dlt_pipeline import pipeline
    from benchmarks.contestants.dlt_rest_source import raw_answers

    source = raw_answers(there.api_url, there.token(), there.playlist_ids)
    pipeline(str(folder / "none.duckdb"), str(folder)).extract(source)


def timed(work: Callable[[Path], object]) -> Took:
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        work(Path(folder))
        return Took(perf_counter() - began)


def main() -> None:
    parser = rounds.arguments(__doc__)
    parser.add_argument("--playlists", type=int, default=40)
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--latency", type=int, default=50, help="milliseconds")
    parser.add_argument("--concurrency", type=int, default=4)
    asked = parser.parse_args()
    result = Result("ingest")
    with spotify(asked.playlists, asked.entries, asked.latency) as there:
        ours = partial(captured, there, asked.concurrency)
        with tempfile.TemporaryDirectory() as folder:
            calls = ours(Path(folder))
        took = rounds.take_turns(
            {
                "ours": partial(timed, ours),
                "spotipy in a loop": partial(timed, partial(by_spotipy, there)),
                "dlt, its client": partial(timed, partial(by_dlt, there, asked.concurrency)),
                "dlt, its source": partial(timed, partial(by_dlts_source, there)),
            },
            asked.rounds,
        )
    floor = Took(calls * asked.latency / 1000 / asked.concurrency)
    what = f"{asked.playlists} playlists of {asked.entries:,} entries, {asked.latency} ms"
    floors = [floor] * asked.rounds
    result.tell(Row(what, "ours", f"{calls} calls in turn", took["ours"], floors, 1.2, floor=True))
    result.tell(Row(what, "ours", "dlt, REST source", took["ours"], took["dlt, its source"], 3))
    client = f"dlt, REST client, {asked.concurrency} at a time"
    result.tell(Row(what, "ours", client, took["ours"], took["dlt, its client"], 3))
    result.tell(Row(what, "ours", "spotipy, next()", took["ours"], took["spotipy in a loop"]))
    result.write(asked.results)


if __name__ == "__main__":
    main()
