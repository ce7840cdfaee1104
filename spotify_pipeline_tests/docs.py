"""What the docs show, taken out of them: commands, queries, links."""

import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PAGES = sorted(
    page.relative_to(PROJECT).as_posix()
    for page in [
        *PROJECT.glob("*.md"),
        *PROJECT.glob("docs/*.md"),
        *PROJECT.glob("snowflake_ddl/*.md"),
    ]
)

_INLINE_COMMAND = re.compile(r"`((?:\.venv/bin/)?(?:make|spotify-pipeline) [^`]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def text_of(page: str) -> str:
    return (PROJECT / page).read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in `language`, as they would be pasted."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^\1```$", text_of(page), re.MULTILINE | re.DOTALL
    )
    return [
        "\n".join(line.removeprefix(indent) for line in block.splitlines())
        for indent, block in found
    ]


def commands(page: str) -> Iterator[str]:
    """Each command of the page: lines of its shell blocks, joined and without comments, and what
    stands in the text as `make …` or `spotify-pipeline …`."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if command := re.sub(r"(^| +)# .*", "", line).strip():
                yield command
    yield from _INLINE_COMMAND.findall(text_of(page).replace("\n", " "))


def links(page: str) -> list[str]:
    """Where the page's links lead, as they stand there."""
    return _LINK.findall(text_of(page))


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def retention_grants() -> list[str]:
    """What an administrator of Snowflake types where the job `retention` shall delete in `aws`."""
    return re.findall(r"^(GRANT DELETE .*);$", text_of("docs/operating.md"), re.MULTILINE)
