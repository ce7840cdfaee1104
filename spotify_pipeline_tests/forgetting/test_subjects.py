"""A user in the links of a raw document, in every spelling, and nobody else."""

import gzip
import json

import pytest

from spotify_pipeline.forgetting.subjects import User
from spotify_pipeline_tests.synthetic import DAY


def told_without(user: str, line: str) -> str:
    key = f"raw_data/dt={DAY}/p.ndjson.gz"
    return gzip.decompress(User(user).without(key, gzip.compress(line.encode()))).decode()


@pytest.mark.parametrize(
    ("user", "said", "stays"),
    [
        ("anna", "spotify:user:anna", "spotify:user:redacted"),
        ("anna", "by spotify:user:anna. And more", "by spotify:user:redacted. And more"),
        ("anna", "https://api.spotify.com/v1/users/anna?x=1", "/users/redacted?x=1"),
        ("anna", "https://open.spotify.com/user/anna/playlist/x", "/user/redacted/playlist/x"),
        ("a.b", "spotify:user:a.b", "spotify:user:redacted"),
        ("jürgen", "https://open.spotify.com/user/jürgen", "/user/redacted"),
        ("jürgen", "https://open.spotify.com/user/j%C3%BCrgen", "/user/redacted"),
        ("jürgen", "https://open.spotify.com/user/j%c3%bcrgen", "/user/redacted"),
    ],
)
@pytest.mark.parametrize("is_ascii", [True, False], ids=["escaped", "as it is"])
@pytest.mark.parametrize("slash", ["/", "\\/"])
def test_a_link_to_the_user(user: str, said: str, stays: str, is_ascii: bool, slash: str) -> None:
    line = json.dumps({"kind": "playlist", "description": said}, ensure_ascii=is_ascii)
    told = json.loads(told_without(user, line.replace("/", slash)))
    assert told["description"].endswith(stays)
    assert told["redacted"] is True


@pytest.mark.parametrize("other", ["annab", "anna-b", "anna.b", "ann", "anna%20b", "Anna"])
def test_who_only_begins_like_the_user_is_let_be(other: str) -> None:
    line = json.dumps({"kind": "playlist", "description": f"spotify:user:{other}"})
    assert told_without("anna", line) == line
