"""What the docs say of the code is what the code says."""

from pathlib import Path

from spotify_pipeline.loading import pipe_words

DOCS = Path(__file__).parents[1] / "docs"


def states_table() -> str:
    """The states of a pipe as a table."""
    rows = [
        f"| `{name}` | {state.meaning} | {(state.remedy or 'nothing').format(pipe='<pipe>')} |"
        for name, state in pipe_words.STATES.items()
    ]
    return "\n".join(["| state | it means | what to do |", "|---|---|---|", *rows])


def loads_table() -> str:
    """The statuses of a file as a table."""
    rows = [
        f"| `{name}` | {load.meaning} | {(load.remedy or 'nothing').format(day='<day>')} |"
        for name, load in pipe_words.LOADS.items()
        if name != "Other"
    ]
    return "\n".join(["| status | it means | what to do |", "|---|---|---|", *rows])


def test_every_status_of_a_file_is_in_the_docs_as_in_the_code() -> None:
    assert loads_table() in (DOCS / "snowpipe.md").read_text()


def test_every_state_of_a_pipe_is_in_the_docs_as_in_the_code() -> None:
    assert states_table() in (DOCS / "snowpipe.md").read_text()


def test_the_other_remedies_are_too() -> None:
    text = (DOCS / "snowpipe.md").read_text()
    for words in (
        pipe_words.PENDING,
        pipe_words.UNKNOWN,
        pipe_words.MISREAD,
        pipe_words.GONE,
        pipe_words.NO_TABLE,
        pipe_words.TROUBLED,
    ):
        assert words.format(day="<day>") in text.replace("\n", " ")
