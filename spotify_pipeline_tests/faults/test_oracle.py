"""The oracle agrees with a day that nothing befell, and goes red at every loss."""

from datetime import timedelta

import pytest

from spotify_pipeline_tests.faults.home import LAST, PLAYLISTS, Home

pytestmark = pytest.mark.slow

BEFORE = LAST - timedelta(days=1)


def test_an_undisturbed_day_is_as_the_catalogue_says(home: Home) -> None:
    assert home.problems({BEFORE: PLAYLISTS}) == []
