"""Writes `configuration.md`: every variable of the environment. `make docs`."""

from pathlib import Path

from spotify_pipeline.deployment import VARIABLES

FILE = Path(__file__).with_suffix(".md")


def text() -> str:
    """The page."""
    rows = [
        f"| `{variable.name}` | {variable.meaning}{'; a secret' if variable.is_secret else ''} | "
        f"{f'`{variable.default}`' if variable.default else ''} |"
        for variable in VARIABLES
    ]
    return "\n".join(
        [
            "# Configuration",
            "",
            "Written by `make docs` from "
            "[`deployment.py`](../spotify_pipeline/deployment.py): change it there. `.env` wins "
            "over the shell's variables, for the UI, the commands and cron alike; "
            "`spotify-pipeline doctor` says where each value came from. An unknown "
            "`SPOTIFY_PIPELINE_…` is refused. AWS credentials are found as boto3 finds them.",
            "",
            "| variable | what it is for | if not set |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
