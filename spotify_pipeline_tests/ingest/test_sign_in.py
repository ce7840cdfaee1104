"""What is kept of a sign-in: whole, only for its owner, and until when."""

import calendar
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.ingest.sign_in import SignIn, SignInFile, consent_ends, find

SIGN_IN = SignIn("hush-token", date(2026, 11, 22), "app-id")


@pytest.fixture
def file(tmp_path: Path) -> SignInFile:
    return SignInFile(tmp_path / "new" / "home" / "sign_in.json")


@pytest.fixture
def open_umask() -> Iterator[None]:
    """As where every new file is open to all, unless its maker says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def put(file: SignInFile, body: bytes) -> None:
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(body)
    file.path.chmod(0o600)


# Until when


@pytest.mark.parametrize(
    ("consented_on", "ends"),
    [
        ("2026-01-15", "2026-07-15"),
        ("2026-06-30", "2026-12-30"),
        ("2026-07-01", "2027-01-01"),
        ("2026-12-31", "2027-06-30"),
        ("2026-08-28", "2027-02-28"),
        ("2026-08-31", "2027-02-28"),
        ("2027-08-29", "2028-02-29"),
        ("2027-08-31", "2028-02-29"),
        ("2028-02-29", "2028-08-29"),
        ("2026-03-31", "2026-09-30"),
    ],
)
def test_a_consent_ends_six_calendar_months_later(consented_on: str, ends: str) -> None:
    assert consent_ends(date.fromisoformat(consented_on)) == date.fromisoformat(ends)


@given(st.dates(max_value=date(9999, 6, 30)))
def test_the_end_is_the_same_day_six_months_on_or_the_last_one_there_is(consented_on: date) -> None:
    ends = consent_ends(consented_on)
    months = (ends.year - consented_on.year) * 12 + ends.month - consented_on.month
    last = calendar.monthrange(ends.year, ends.month)[1]
    assert months == 6
    assert ends.day == consented_on.day or ends.day == last < consented_on.day


# Kept and found again


@pytest.mark.parametrize("sign_in", [SIGN_IN, SignIn("hush", None)], ids=["whole", "token alone"])
def test_what_was_written_is_read(file: SignInFile, sign_in: SignIn) -> None:
    file.write(sign_in)
    assert file.read() == sign_in


def test_where_no_file_is_there_is_no_sign_in(file: SignInFile) -> None:
    assert file.read() is None


def test_the_file_holds_three_readable_values(file: SignInFile) -> None:
    file.write(SIGN_IN)
    assert json.loads(file.path.read_text()) == {
        "refresh_token": "hush-token",
        "consented_on": "2026-11-22",
        "client_id": "app-id",
    }


def test_a_refreshed_token_takes_the_old_one_s_place_and_the_consent_stays(
    file: SignInFile,
) -> None:
    file.write(SIGN_IN)
    file.keep("hush-new", instead_of="hush-token")
    assert file.read() == SignIn("hush-new", SIGN_IN.consented_on, "app-id")


def test_a_refreshed_token_of_an_older_consent_does_not_replace_a_new_sign_in(
    file: SignInFile,
) -> None:
    file.write(SIGN_IN)
    file.keep("hush-new", instead_of="hush-of-last-year")
    assert file.read() == SIGN_IN


def test_a_refreshed_token_without_a_file_makes_none(file: SignInFile) -> None:
    file.keep("hush-new", instead_of="hush-token")
    assert not file.path.exists()


def test_a_token_is_not_shown() -> None:
    assert "hush" not in repr(SIGN_IN)
    assert "2026, 11, 22" in repr(SIGN_IN)


# Only for its owner, and whole


def test_nobody_else_may_read_it_at_any_moment(
    file: SignInFile, open_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at when the first byte reaches the disk, and in the end."""
    seen: list[int] = []
    fsync = os.fsync

    def look(descriptor: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", look)
    monkeypatch.setattr("os.fchmod", None)  # set from the start, not mended afterwards
    monkeypatch.setattr("os.chmod", None)
    file.write(SIGN_IN)
    assert seen == [0o600]
    assert mode(file.path) == 0o600


def test_a_file_that_was_open_to_others_is_closed_by_the_next_write(file: SignInFile) -> None:
    file.write(SIGN_IN)
    file.path.chmod(0o644)
    file.write(SIGN_IN)
    assert mode(file.path) == 0o600


@pytest.mark.parametrize("right", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_have_rights_to_is_refused(file: SignInFile, right: int) -> None:
    file.write(SIGN_IN)
    file.path.chmod(right)
    with pytest.raises(FixConfiguration, match=f"chmod 600 {file.path}"):
        file.read()


def test_the_command_to_type_holds_for_names_with_blanks(tmp_path: Path) -> None:
    file = SignInFile(tmp_path / "my home" / "sign_in.json")
    file.write(SIGN_IN)
    file.path.chmod(0o644)
    with pytest.raises(FixConfiguration, match=f"chmod 600 '{file.path}'"):
        file.read()


def test_a_reader_sees_the_old_one_until_the_new_one_is_whole(
    file: SignInFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write(SIGN_IN)
    seen: list[SignIn | None] = []
    monkeypatch.setattr("os.fsync", lambda _: seen.append(file.read()))
    new = SignIn("hush-new", None, "x" * 100_000)
    file.write(new)
    assert seen == [SIGN_IN]
    assert file.read() == new


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_one_and_nothing_beside_it(
    file: SignInFile, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    file.write(SIGN_IN)

    def fail(_: int) -> None:
        raise error

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises((FixConfiguration, KeyboardInterrupt)):
        file.write(SignIn("hush-new", None))
    assert file.read() == SIGN_IN
    assert list(file.path.parent.iterdir()) == [file.path]


def test_a_full_disk_says_what_to_do(file: SignInFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OSError(28, "No space left on device", str(file.path.parent))

    monkeypatch.setattr(tempfile, "mkstemp", fail)
    with pytest.raises(FixConfiguration, match="No space left on device") as caught:
        file.write(SIGN_IN)
    assert str(file.path) in str(caught.value)
    assert "SPOTIFY_PIPELINE_HOME" in str(caught.value)


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    file = SignInFile(tmp_path / "home" / "sign_in.json")
    with pytest.raises(FixConfiguration, match="Can't write the sign-in"):
        file.write(SIGN_IN)
    with pytest.raises(FixConfiguration, match="Can't read the sign-in"):
        file.read()


def test_a_folder_in_its_place_is_told_and_nothing_is_left_beside_it(file: SignInFile) -> None:
    file.path.mkdir(parents=True)
    with pytest.raises(FixConfiguration, match="Can't write the sign-in"):
        file.write(SIGN_IN)
    with pytest.raises(FixConfiguration, match="Can't read the sign-in"):
        file.read()
    assert list(file.path.parent.iterdir()) == [file.path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_told(file: SignInFile) -> None:
    file.path.parent.mkdir(parents=True)
    file.path.parent.chmod(0o500)
    with pytest.raises(FixConfiguration, match="Make that place writable"):
        file.write(SIGN_IN)


# Broken


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"refresh_token": "hush',
        b"hush-token",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'["hush"]',
        b'"hush"',
        b"null",
        b"{}",
        b'{"refresh_token": ""}',
        b'{"refresh_token": null}',
        b'{"refresh_token": 1}',
        b'{"refresh_token": ["hush"]}',
        b'{"refresh_token": "hush", "consented_on": 20261122}',
        b'{"refresh_token": "hush", "consented_on": "yesterday"}',
        b'{"refresh_token": "hush", "consented_on": "2026-02-30"}',
        b'{"refresh_token": "hush", "consented_on": ""}',
        b'{"refresh_token": "hush", "client_id": null}',
        b'{"refresh_token": "hush", "client_id": 7}',
    ],
    ids=lambda body: body[:60].decode(errors="replace") or "nothing",
)
def test_a_broken_file_is_named_with_the_way_on(file: SignInFile, body: bytes) -> None:
    put(file, body)
    with pytest.raises(FixConfiguration, match="spotify-pipeline login") as caught:
        file.read()
    assert str(file.path) in str(caught.value)
    assert "hush" not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_what_a_later_release_adds_does_no_harm(file: SignInFile) -> None:
    put(file, b'{"refresh_token": "hush", "consented_on": null, "of tomorrow": [1]}')
    assert file.read() == SignIn("hush", None)


# Which one is in force


def test_a_token_that_was_set_wins_over_the_file(file: SignInFile) -> None:
    put(file, b"broken")
    day = date(2026, 10, 1)
    assert find("hush-set", day, file, "app-id") == SignIn("hush-set", day, "app-id")
    assert find("hush-set", None, file, "app-id") == SignIn("hush-set", None, "app-id")


def test_else_the_file_s_is_in_force_with_its_own_day(file: SignInFile) -> None:
    assert find("", None, file, "app-id") is None
    file.write(SIGN_IN)
    assert find("", date(2020, 1, 1), file, "app-id") == SIGN_IN


def test_a_sign_in_with_another_app_is_refused(file: SignInFile) -> None:
    file.write(SIGN_IN)
    with pytest.raises(FixConfiguration, match="made with another app") as caught:
        find("", None, file, "other-id")
    for part in (str(file.path), "(app-id)", "(other-id)", "spotify-pipeline login"):
        assert part in str(caught.value)


def test_an_unknown_app_is_no_other_app(file: SignInFile) -> None:
    file.write(SIGN_IN)
    assert find("", None, file, "") == SIGN_IN
    file.write(SignIn("hush", None))
    assert find("", None, file, "app-id") == SignIn("hush", None)
