"""The report's page: what it tells, that it needs nothing from outside, and that names are text."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from spotify_pipeline.insights import page, questions
from spotify_pipeline.insights.facts import Facts, Missed
from spotify_pipeline.lake.attempts import Failure
from spotify_pipeline.lake.raw import Unreadable
from spotify_pipeline_tests.insights import answers
from spotify_pipeline_tests.insights.answers import HOSTILE, Names
from spotify_pipeline_tests.loading.rows import DAY, day, manifest

VOID = {"meta", "polyline", "path"}


class Page(HTMLParser):
    """Elements, the words of each section, and where links lead."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: dict[str, list[str]] = {"": []}
        self.styles = ""
        self._open: list[str] = []
        self._section = ""
        self.feed(body.decode())
        self.close()
        assert self._open == [], "elements are left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self._section = str(dict(attrs)["id"])
            self.words[self._section] = []
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.styles += data
        else:
            self.words[self._section].append(data)

    def text(self, section: str) -> str:
        return " ".join(" ".join(self.words[section]).split())

    @property
    def links(self) -> dict[str, str]:
        """Where each link leads."""
        return {a["href"] or "": a["href"] or "" for tag, a in self.elements if tag == "a"}


def facts(names: Names = ("Kitchen Radio",), **others: Any) -> Facts:
    written = replace(
        manifest(DAY, 3, {"song": [{}] * 1_234}), contract_version=7, transform_version=9
    )
    known: dict[str, Any] = {
        "day": DAY,
        "source": "spotify",
        "manifest": written,
        "answers": {
            "playlist_changes": answers.changes(names),
            "artist_presence": answers.artists(names),
            "catalogue_age": answers.ages(names),
            "playlist_turnover": answers.turnover(names),
            "playlist_overlap": answers.overlaps(names),
            "popularity": answers.popularities(names),
        },
    }
    return Facts(**known | others)


def nothing(**others: Any) -> Facts:
    empty = {question.name: answers.of(question, []) for question in questions.QUESTIONS}
    return facts(answers=empty, **others)


def rendered(known: Facts) -> Page:
    return Page(page.render(known))


# Nothing from outside


@pytest.mark.parametrize("known", [lambda: facts(HOSTILE), nothing], ids=["hostile", "nothing"])
def test_nothing_is_loaded_and_nothing_runs(known: Callable[[], Facts]) -> None:
    read = rendered(known())
    tags = {tag for tag, _ in read.elements}
    assert not tags & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "image",
    }
    for tag, attributes in read.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        assert not attributes.keys() & {"src", "srcset", "xlink:href", "style", "action"}, tag
        if "href" in attributes:
            href = attributes["href"] or ""
            assert tag == "a"
            assert href.startswith(("https://open.spotify.com/", "#")), href
    assert "url(" not in read.styles
    assert "@import" not in read.styles


def test_the_page_itself_forbids_what_is_not_in_it() -> None:
    policies = [
        attributes["content"]
        for tag, attributes in rendered(facts()).elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_it_is_made_for_phones_and_for_the_dark() -> None:
    read = rendered(facts())
    metas = {attributes.get("name"): attributes.get("content") for _, attributes in read.elements}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert "@media (prefers-color-scheme: dark)" in read.styles


def test_the_same_facts_give_the_same_bytes() -> None:
    assert page.render(facts(HOSTILE)) == page.render(facts(HOSTILE))


# Names of others


def test_names_are_text_whatever_they_say() -> None:
    read = rendered(facts(HOSTILE))
    for section in ("playlists", "changes", "artists", "age", "overlap", "popularity"):
        words = read.text(section)
        assert "<script>alert('1')</script>" in words, section
        assert "{{ 7 * 7 }} {% raw %}" in words, section
        assert "$x^2$ costs $5" in words, section
    assert b"<script" not in page.render(facts(HOSTILE))


def test_no_name_takes_up_the_page() -> None:
    body = page.render(facts(["x" * 10_000, "e" + "\u0301" * 10_000])).decode()
    assert "x" * 61 not in body
    assert "\u0301" * 3 not in body


def test_a_name_that_turns_text_around_turns_its_own_alone() -> None:
    body = page.render(facts(["\u202eturned"])).decode()
    places = [found.start() for found in re.finditer("\u202e", body)]
    assert places
    assert all(body[:place].endswith("<bdi>") for place in places)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "http://open.spotify.com/track/1",
        "https://open.spotify.com.elsewhere.example/track/1",
        "https://elsewhere.example/https://open.spotify.com/",
        " https://open.spotify.com/track/1",
        "data:text/html,x",
        None,
    ],
)
def test_only_addresses_of_spotifys_become_links(url: str | None) -> None:
    known = facts()
    for name, column in (
        ("playlist_changes", "song_url"),
        ("artist_presence", "artist_url"),
        ("playlist_turnover", "playlist_url"),
    ):
        known.answers[name][column] = url
    read = rendered(known)
    assert set(read.links) == {"https://open.spotify.com/"}  # the one of the footer
    assert "Kitchen Radio" in read.text("playlists")


def test_an_address_stays_within_its_attribute() -> None:
    known = facts()
    known.answers["playlist_turnover"]["playlist_url"] = 'https://open.spotify.com/"onclick="x'
    assert 'https://open.spotify.com/"onclick="x' in rendered(known).links


def test_songs_artists_and_playlists_lead_back_to_spotify() -> None:
    links = rendered(facts()).links
    assert {
        "https://open.spotify.com/track/1",
        "https://open.spotify.com/artist/0",
        "https://open.spotify.com/playlist/0",
    } <= set(links)


# What it tells


def test_a_playlist_has_its_size_and_what_came_and_went() -> None:
    read = rendered(facts(["Kitchen Radio", "Harbour Chart"]))
    assert "2 captured, 200 entries" in read.text("")
    words = read.text("playlists")
    assert "Kitchen Radio 100 entries 10 entered , 10 left 100 on 5 captured days since" in words
    pictures = [attributes for tag, attributes in read.elements if tag == "svg"]
    assert len(pictures) == 2
    assert str(pictures[0]["aria-label"]).startswith("entries by day: 100 on 5 captured days")


def test_a_playlist_that_is_new_says_so() -> None:
    known = facts()
    known.answers["playlist_turnover"] = answers.turnover(["New"], days=1)
    assert "captured for the first time" in rendered(known).text("playlists")


def test_changes_since_an_earlier_day_name_it() -> None:
    known = facts()
    turnover = answers.turnover(["One"]).assign(gap_days=3, previous_date=day(-3))
    known.answers["playlist_turnover"] = turnover
    assert f"left since {day(-3)}" in rendered(known).text("playlists")


def test_changes_are_listed_with_artist_place_and_stay() -> None:
    known = facts()
    left = known.answers["playlist_changes"]["change"] == "left"
    words = rendered(known).text("changes")
    assert "entered Kitchen Radio Kitchen Radio , at 1" in words
    assert "left Kitchen Radio Kitchen Radio , after 4 days" in words
    assert "3 changed their places" in words
    known.answers["playlist_changes"].loc[left, "is_at_least"] = True
    assert "after at least 4 days" in rendered(known).text("changes")


def test_long_lists_are_cut_and_the_rest_is_counted() -> None:
    known = facts()
    known.answers["playlist_changes"] = answers.changes(["One"], entered=1_020, left=9, moved=0)
    known.answers["artist_presence"] = answers.artists([f"Artist {n}" for n in range(11)])
    read = rendered(known)
    assert "and 1,012 more that entered" in read.text("changes")
    assert "and 1 more that left" in read.text("changes")
    assert "and 3 more artists" in read.text("artists")
    assert read.text("changes").count(", at ") == page.SHOWN


def test_numbers_are_those_of_the_answers() -> None:
    names = ["Kitchen Radio", "Harbour Chart"]
    read = rendered(facts(names))
    assert "Kitchen Radio 12,345 1 2026-11-22 Harbour Chart 12,344 2" in read.text("artists")
    # 3 songs in each of four years, one of which is unknown; then 4.
    assert "Kitchen Radio 3 without a year 12 1999 1961–2026" in read.text("age")
    assert "Harbour Chart 4 without a year 16 1999 1961–2026" in read.text("age")
    assert "Kitchen Radio and Harbour Chart 7 50.0 %" in read.text("overlap")
    assert "Harbour Chart 41.0 1–99" in read.text("popularity")


def test_where_there_is_nothing_it_says_what_that_means() -> None:
    read = rendered(nothing())
    for section, question in (
        ("changes", questions.PLAYLIST_CHANGES),
        ("artists", questions.ARTIST_PRESENCE),
        ("age", questions.CATALOGUE_AGE),
        ("overlap", questions.PLAYLIST_OVERLAP),
        ("popularity", questions.POPULARITY),
    ):
        assert question.silence in read.text(section)


def test_a_day_on_which_all_is_well_says_so() -> None:
    words = rendered(facts()).text("quality")
    assert "Every playlist of the day was captured." in words
    assert "Every line of the raw documents was read." in words
    assert "Every value had a known form." in words
    assert "No earlier day is missing." in words
    assert "HISTORY.SONG 1,234" in words


def test_what_is_wrong_is_told_with_the_reason() -> None:
    known = facts(
        missing=[Failure("a", "Spotify said 404."), Failure("b", "Spotify said 404.")],
        missed=[Missed(day(-n), "c", "<b>no run</b> tried it") for n in range(1, 11)],
    )
    known = replace(
        known,
        manifest=replace(
            known.manifest,
            quarantined=(Unreadable("raw_data/dt=2026-11-22/a.ndjson.gz", 7, "cut off"),),
            odd_values={"song.song_duration": 3, "song.song_name": 0},
        ),
    )
    read = rendered(known)
    words = read.text("quality")
    assert f"Not captured on {DAY} a, b: Spotify said 404." in words
    assert "raw_data/dt=2026-11-22/a.ndjson.gz, line 7: cut off" in words
    assert "song.song_duration: 3" in words
    assert "song.song_name" not in words
    assert f"{day(-1)}, c: <b>no run</b> tried it" in words
    assert "and 2 more of them (OPS.MISSED)" in words
    assert "some could not be captured" in read.text("")


def test_the_footer_says_what_it_was_made_of() -> None:
    words = rendered(facts()).text("")
    assert (
        "Batch 3 of 2026-11-22 (digest3), made by the engine none with contract 7 and transform 9"
    ) in words
    assert "as told by Spotify" in words
    assert "ynthetic" not in words


def test_synthetic_data_is_called_so_on_top_and_below() -> None:
    words = rendered(facts(source="sandbox")).text("")
    assert words.count("ynthetic data") == 2
    assert "as told by" not in words


def test_a_long_history_of_many_playlists_stays_small() -> None:
    names = [f"Playlist {number}" for number in range(50)]
    known = facts(names)
    known.answers["playlist_turnover"] = answers.turnover(names, days=90)
    assert len(page.render(known)) < 400_000


def test_no_column_about_a_person_is_in_it() -> None:
    columns = {name for answer in facts().answers.values() for name in answer.columns}
    assert not columns & {"owner_id", "owner_name", "added_by"}
