"""The words in which Snowflake tells of pipes and files: what each means, and what to type.

Sources: docs.snowflake.com/en/sql-reference/functions, system_pipe_status and copy_history.
{day} stands for a day, {pipe} for the pipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_REPAIR = "`spotify-pipeline doctor --repair`"
_TABLES = "run `snowflake_ddl/050_tables.sql` and `080_grants.sql` again"
_RELOAD = "what came meanwhile may need a new name: `spotify-pipeline run --date <day> --reload`"
_MADE = (
    f"`spotify-pipeline provision` makes it and has the bucket tell its queue; by hand, run "
    f"`snowflake_ddl/070_pipes.sql` and `080_grants.sql` and compare its queue, which may be "
    f"another one, with the bucket's notification (`snowflake_ddl/README.md`, AWS). Then "
    f"{_REPAIR}; {_RELOAD}."
)
_ANEW = f"Drop it, as the loader role: `DROP PIPE <database>.PIPES.{{pipe}}`. Then {_MADE}"
_STALLED = f"If it does not go on by itself then: {_ANEW}"


@dataclass(frozen=True)
class State:
    """One state of a pipe; `is_resumed` says whether a repair may simply resume it."""

    meaning: str
    remedy: str = ""
    is_healthy: bool = False
    is_resumed: bool = False


STATES: Mapping[str, State] = {
    "RUNNING": State("it takes files as they come", is_healthy=True),
    "FAILING_OVER": State("it is moving to another region and still loads", is_healthy=True),
    "PAUSED": State(
        "somebody paused it",
        f"Its files wait for two weeks. Resume it: {_REPAIR}. In `local`, then materialize "
        "`landing/*` again. In Snowflake, look first who paused it: `SHOW PARAMETERS LIKE "
        "'PIPE_EXECUTION_PAUSED' IN PIPE <database>.PIPES.{pipe}`. If it was the schema or the "
        "account, for a budget perhaps, have that undone there: a pipe that was resumed by itself "
        "no longer follows them.",
        is_resumed=True,
    ),
    "READ_ONLY": State(
        "the database is a read-only copy",
        "Point SNOWFLAKE_ACCOUNT and SNOWFLAKE_DATABASE to the original.",
    ),
    "STOPPED_BY_SNOWFLAKE_ADMIN": State("Snowflake stopped it", "Ask Snowflake's support."),
    "STOPPED_CLONED": State(
        "it came with a cloned database and never ran there",
        "Never resume it: its COPY names the original's table, and would load into that. Drop it, "
        "as the loader role: `DROP PIPE <database>.PIPES.{pipe}`. If the copy is to load files of "
        "its own, run `snowflake_ddl/070_pipes.sql` and `080_grants.sql` for its database.",
    ),
    "STOPPED_FEATURE_DISABLED": State(
        "the account has Snowpipe switched off", "Ask Snowflake's support."
    ),
    "STOPPED_STAGE_ALTERED": State("its stage was changed", _ANEW),
    "STOPPED_STAGE_DROPPED": State("its stage was dropped", _ANEW),
    "STOPPED_FILE_FORMAT_DROPPED": State("its file format was dropped", _ANEW),
    "STOPPED_NOTIFICATION_INTEGRATION_DROPPED": State(
        "its notification integration was dropped", _ANEW
    ),
    "STOPPED_MISSING_PIPE": State("it isn't there, or SNOWFLAKE_ROLE may not see it", _MADE),
    "STOPPED_MISSING_TABLE": State(
        "its table is gone",
        f"Make it: {_TABLES}, then {_REPAIR}; {_RELOAD}.",
    ),
    "STALLED_COMPILATION_ERROR": State(
        "its COPY no longer compiles",
        f"Compare pipe and table with `snowflake_ddl` and mend them. {_STALLED}",
    ),
    "STALLED_INITIALIZATION_ERROR": State(
        "it could not start", f"Mend what the error says. {_STALLED}"
    ),
    "STALLED_EXECUTION_ERROR": State(
        "it failed while loading", f"Mend what the error says. {_STALLED}"
    ),
    "STALLED_INTERNAL_ERROR": State(
        "it failed within Snowflake",
        f"Wait a little; else ask Snowflake's support. {_STALLED}",
    ),
    "STALLED_STAGE_PERMISSION_ERROR": State(
        "it may not read the bucket",
        "Compare the role's trust policy with DESC INTEGRATION, and its permissions with the "
        "bucket. It goes on by itself once it may read again.",
    ),
}
"""All states that are documented."""

_NEW_NAME = (
    "The name is used up. Mend the cause, then issue the rows under a new one: "
    "`spotify-pipeline run --date {day} --reload`"
)

LOADS: Mapping[str, State] = {
    "Loaded": State("its rows are in LANDING", is_healthy=True),
    "Load in progress": State(
        "it is being loaded",
        f"If that takes longer than half an hour, see the pipe's history in Snowsight, then: "
        f"{_REPAIR}",
        is_healthy=True,
    ),
    "Load failed": State("none of its rows went in", _NEW_NAME),
    "Partially loaded": State("some of its rows went in", _NEW_NAME),
    "Load skipped": State("the pipe passed it over", _NEW_NAME),
    "Other": State(
        "a word that this release doesn't know",
        "See the pipe's history in Snowsight; if the file won't come, issue its rows under a new "
        "name: `spotify-pipeline run --date {day} --reload`",
    ),
}
"""What COPY_HISTORY says of a file: all statuses that are documented, and any other."""

PENDING = f"Snowpipe takes a minute as a rule; see the pipe's history in Snowsight, then: {_REPAIR}"
TROUBLED = "Mend what it says; the check turns green when Snowflake no longer says so."
NO_TABLE = f"Make it: {_TABLES}, then {_REPAIR}; {_RELOAD}."
UNKNOWN = (
    f"Look at the bucket's notification (`snowflake_ddl/README.md`, AWS), then: {_REPAIR}; if it "
    f"stays so for another half hour, or the file is older than a week, issue the rows under a new "
    f"name: `spotify-pipeline run --date {{day}} --reload`"
)
MISREAD = (
    "Compare the file format with `snowflake_ddl/070_pipes.sql` (`SHOW FILE FORMATS`) and the file "
    "with its manifest; when the cause is mended, issue the rows under a new name: "
    "`spotify-pipeline run --date {day} --reload`"
)
GONE = (
    "Somebody emptied the table; the name is used up. Issue the rows under a new one: "
    "`spotify-pipeline run --date {day} --reload`. Or, if the table has rows whose _file only ends "
    "like that, the stage has another prefix than S3_PREFIX: make them the same first."
)


def state(name: str) -> State:
    """What a state means; one that is unknown is not taken for healthy."""
    return STATES.get(name) or State(
        "a state that this release doesn't know", "See Snowflake's documentation."
    )
