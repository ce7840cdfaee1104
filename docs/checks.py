"""Writes the table of checks into `operating.md`. `make docs`."""

import re
from pathlib import Path

from spotify_pipeline.orchestration import checks
from spotify_pipeline.orchestration.judging import WARN
from spotify_pipeline.orchestration.remedies import REMEDIES

FILE = Path(__file__).with_name("operating.md")

_BEGIN, _END = "<!-- checks: written by `make docs` -->\n", "<!-- end of checks -->"


def text() -> str:
    """The page with the table as the code has it."""
    stages = (checks.RAW, checks.LAKE, tuple(checks.PIPES.values()), checks.PUBLISHED)
    rows = {}
    for check in (check for stage in stages for check in stage):
        color = "yellow" if check.severity is WARN else "red"
        place = f"`{'/'.join(check.asset.path[:-1]) or check.asset.path[-1]}`"
        rows.setdefault(
            check.name,
            f"| `{check.name}` of {place}, {color} | {check.description} | "
            f"{REMEDIES[check.name]} |",
        )
    table = "\n".join(["| check | holds if | otherwise |", "|---|---|---|", *rows.values()])
    page = FILE.read_text("utf-8")
    return re.sub(
        f"{re.escape(_BEGIN)}.*{re.escape(_END)}",
        lambda _: f"{_BEGIN}\n{table}\n\n{_END}",
        page,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
