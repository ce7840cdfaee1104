"""The forms in which people write playlists down."""

import pytest

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.ingest.playlist_ids import parse_playlists, require_id, wanted_playlists

ID = "37i9dQZF1DXcBWIGoYBM5M"
OTHER = "3cEYpjA9oz9GiPac4AsH4n"


@pytest.mark.parametrize(
    "form",
    [
        ID,
        f"spotify:playlist:{ID}",
        f"spotify:user:some.one:playlist:{ID}",
        f"https://open.spotify.com/playlist/{ID}",
        f"http://open.spotify.com/playlist/{ID}",
        f"https://open.spotify.com/playlist/{ID}/",
        f"https://open.spotify.com/playlist/{ID}?si=0123456789abcdef&pt=1",
        f"https://open.spotify.com/intl-de/playlist/{ID}?si=x",
        f"https://open.spotify.com/intl-pt-br/playlist/{ID}",
        f"https://open.spotify.com/user/some.one/playlist/{ID}",
        f"https://play.spotify.com/user/some.one/playlist/{ID}",
        f"  {ID}\n",
    ],
)
def test_every_form_gives_the_id(form: str) -> None:
    assert parse_playlists(form) == (ID,)


def test_several_stay_in_order() -> None:
    assert parse_playlists(f"{OTHER}, spotify:playlist:{ID}") == (OTHER, ID)


def test_one_that_is_written_twice_counts_once() -> None:
    assert parse_playlists(f"{ID},{OTHER},https://open.spotify.com/playlist/{ID}") == (ID, OTHER)


def test_nothing_is_no_playlist() -> None:
    assert parse_playlists(" , ,") == ()


@pytest.mark.parametrize(
    "wrong",
    [
        "my playlist",
        ID[:-1],
        f"{ID}x",
        f"{ID[:-1]}-",
        f"spotify:track:{ID}",
        f"spotify:album:{ID}",
        f"https://open.spotify.com/track/{ID}",
        f"https://open.spotify.com/playlist/{ID}/extra",
        f"https://example.com/playlist/{ID}",
        f"https://open.spotify.com.example.com/playlist/{ID}",
        f"{ID} {OTHER}",
    ],
)
def test_what_is_no_playlist_is_refused(wrong: str) -> None:
    with pytest.raises(FixConfiguration):
        parse_playlists(wrong)


def test_all_wrong_ones_are_told_with_the_known_forms() -> None:
    with pytest.raises(FixConfiguration) as caught:
        parse_playlists(f"first, {ID}, second")
    said = str(caught.value)
    assert "SPOTIFY_PLAYLISTS: no playlist in 'first', 'second'." in said
    assert ID not in said
    assert "spotify:playlist:<id>" in said


def test_for_captures_what_is_mistyped_stands_for_itself_until_it_is_asked_for() -> None:
    wanted = wanted_playlists(f"{ID[:21]}, spotify:playlist:{ID}, {ID[:21]},")
    assert wanted == (ID[:21], ID)
    require_id(ID)
    with pytest.raises(FixConfiguration, match=f"SPOTIFY_PLAYLISTS: no playlist in '{ID[:21]}'."):
        require_id(ID[:21])


def test_bytes_that_are_no_text_are_told_as_text() -> None:
    """As Python reads an environment that is not UTF-8."""
    assert wanted_playlists("caf\udce9") == ("caf?",)
