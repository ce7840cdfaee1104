"""What a newcomer sees after `make demo` and `make dev`, in a real browser.

It needs Chromium on this machine. The screenshots stay in `build/screenshots`, to be looked at.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from spotify_pipeline_tests.docs import PROJECT
from spotify_pipeline_tests.processes import end_group

pytestmark = pytest.mark.slow

SCREENSHOTS = PROJECT / "build" / "screenshots"
GROUPS = ("raw", "lake", "landing", "published", "insights")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (  # no word to anybody outside
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_PATIENCE_SECONDS = 120
expect.set_options(timeout=_PATIENCE_SECONDS * 1000)


@pytest.fixture(scope="module")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if not found:
        assert not os.environ.get("CI"), "CI looks at the pages: install Chromium there"
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    return str(found)


@pytest.fixture(scope="module")
def demo(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of `spotify-pipeline demo`; its last words lead to the report."""
    folder = tmp_path_factory.mktemp("newcomer")
    shutil.copy(PROJECT / "workspace.yaml", folder)
    said = subprocess.run(
        [sys.executable, "-m", "spotify_pipeline.cli", "demo"],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    )
    (folder / "said.txt").write_text(said.stdout)
    return folder


@pytest.fixture(scope="module")
def ui(demo: Path) -> Iterator[str]:
    """The address of `spotify-pipeline dev`."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (demo / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "spotify_pipeline.cli", "dev", "--port", str(port)],
            cwd=demo,
            env={"PATH": os.environ["PATH"]},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not answers(address):
            assert process.poll() is None, (demo / "dev.log").read_text()
            assert time.monotonic() < deadline, (demo / "dev.log").read_text()
            time.sleep(0.2)
        yield address
    finally:
        end_group(process)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*_QUIET])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page whose last look is kept under the test's name."""
    with browser.new_context(viewport={"width": 1500, "height": 1150}) as context:
        context.set_default_timeout(_PATIENCE_SECONDS * 1000)
        page = context.new_page()
        yield page
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{request.node.name}.png", full_page=True)


def see(page: Page, *texts: str | re.Pattern[str]) -> None:
    """Waits until each of the texts is visible somewhere on the page."""
    for text in texts:
        there = page.get_by_text(text).filter(visible=True).first
        expect(there).to_be_visible()


def test_the_graph(page: Page, ui: str) -> None:
    expanded = "%2C".join(f"global%40global%3A{group}" for group in GROUPS)
    page.goto(f"{ui}/asset-groups?expanded={expanded}")
    see(page, *GROUPS)
    for asset in ("raw_playlist_json", "tb_song", "playlist_turnover", "report"):
        see(page, asset)


def test_a_table(page: Page, ui: str) -> None:
    page.goto(f"{ui}/assets/published/song")
    see(page, re.compile("^One row per song and day"), "length in milliseconds")
    see(page, "spotify.HISTORY.SONG", "item.duration_ms", "dagster/partition_row_count", "preview")


def test_a_table_shows_no_personal_columns_in_its_preview(page: Page, ui: str) -> None:
    page.goto(f"{ui}/assets/published/playlist_entry")
    see(page, re.compile("^One row per slot"), "preview")
    [header] = page.locator("table", has_text="entry_uri").filter(has_text="position").all()[-1:]
    columns = header.locator("tr").first.inner_text()
    assert "entry_uri" in columns
    assert "added_by" not in columns


def test_a_check(page: Page, ui: str) -> None:
    page.goto(f"{ui}/assets/published/playlist_entry?view=checks&checkDetail=complete")
    see(page, "Entries are as many as Spotify counts.", "Passed", "expected", "found")


def test_an_insight_with_its_plot(page: Page, ui: str) -> None:
    page.goto(f"{ui}/assets/insights/playlist_turnover")
    see(page, re.compile("^One row per playlist and captured day"), "share of the entries")
    row = page.locator("tr", has_text="plot").filter(has_text="Show Markdown").last
    row.get_by_text("Show Markdown").click()
    plot = page.locator("img[alt^='playlist_turnover']")
    expect(plot).to_be_visible()
    width = "e => e.naturalWidth"
    assert plot.evaluate(width) > 300


def test_the_runs_of_the_job(page: Page, ui: str) -> None:
    page.goto(f"{ui}/locations/spotify_pipeline/jobs/daily_snapshot/runs")
    expect(page.get_by_text("Success").filter(visible=True)).to_have_count(7)


def test_a_run_by_hand_and_the_timeline(page: Page, ui: str) -> None:
    page.goto(f"{ui}/assets/insights/report")
    see(page, "written")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("button", name="Latest").click()
    page.get_by_role("button", name="Launch 1 run").click()
    see(page, "unchanged")  # the same data make the same page
    page.goto(f"{ui}/overview/activity/timeline")
    see(page, "Jobless asset materializations")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_report(page: Page, demo: Path, width: int, scheme: str) -> None:
    [path] = re.findall(r"^ +(\S+\.html)$", (demo / "said.txt").read_text(), re.MULTILINE)
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url))
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(Path(path).as_uri())
    see(page, "Kitchen Radio", "What changed", "Data quality")
    see(page, "Synthetic data: every playlist, song and artist here is invented by the sandbox.")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert (lightness > 200) == (scheme == "light")
    assert [url for url in outside if not url.startswith("file:")] == []
