"""Reads the COPY INTO of a pipe, and refuses what a pipe may not do.

Copies by column name or by position; a SELECT over the stage is not among what is done here.
"""

from collections.abc import Mapping

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_catalogue import Catalogue, CopyInto
from spotify_pipeline_tests.emulators.snowflake_csv import CsvFormat, csv_format
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import (
    Options,
    Reader,
    Value,
    only,
    parts,
    string,
)

_FORBIDDEN = {
    "FILES",
    "FORCE",
    "LOAD_UNCERTAIN_FILES",
    "PURGE",
    "RETURN_FAILED_ONLY",
    "SIZE_LIMIT",
    "VALIDATION_MODE",
}
_OPTIONS = {
    "FILE_FORMAT",
    "INCLUDE_METADATA",
    "MATCH_BY_COLUMN_NAME",
    "ON_ERROR",
    "PATTERN",
}
_METADATA = {
    "METADATA$FILENAME",
    "METADATA$FILE_ROW_NUMBER",
    "METADATA$FILE_CONTENT_KEY",
    "METADATA$FILE_LAST_MODIFIED",
    "METADATA$START_SCAN_TIME",
}


def read_copy(catalogue: Catalogue, session: Session, definition: str) -> CopyInto:
    """The COPY INTO statement of a pipe, checked against what there is."""
    reader = Reader(definition)
    reader.expect("COPY", "INTO")
    table = session.qualified(reader.name())
    if not session.has_table(table):
        raise errors.missing("Table", ".".join(table))
    chosen = None if reader.accept("FROM") else reader.values()
    if chosen is not None:
        reader.expect("FROM")
    if reader.accept("("):
        raise errors.unsupported("a SELECT in a pipe's COPY INTO")
    stage_name, path = reader.location()
    stage = catalogue.stage(session.qualified(stage_name))
    options = reader.options()
    reader.end()
    _check(options)
    given = options.get("FILE_FORMAT", stage.file_format)
    copy = CopyInto(
        table,
        stage,
        stage.url,
        path,
        _qualified_format(session, given),
        chosen,
        string(options, "MATCH_BY_COLUMN_NAME", "NONE").upper(),
        _metadata(options),
        string(options, "ON_ERROR", "SKIP_FILE").upper(),
        string(options, "PATTERN") or None,
    )
    _check_match(copy, resolve_format(catalogue, copy.file_format))
    return copy


def resolve_format(catalogue: Catalogue, options: Options) -> CsvFormat:
    """The CSV format that FILE_FORMAT=(…) names, with all of its name, or spells out."""
    if "FORMAT_NAME" in options:
        name = parts(string(options, "FORMAT_NAME"))
        return csv_format(catalogue.file_format(name).options)
    return csv_format(options)


def _check(options: Options) -> None:
    for key in options.keys() & _FORBIDDEN:
        raise errors.compilation(
            1084, "0A000", f"COPY option {key} is not allowed in a pipe's COPY INTO statement."
        )
    only(options, _OPTIONS, "COPY INTO in a pipe")
    on_error = string(options, "ON_ERROR", "SKIP_FILE").upper()
    if on_error == "ABORT_STATEMENT":
        raise errors.compilation(
            1084, "0A000", "ON_ERROR = ABORT_STATEMENT is not allowed in a pipe."
        )
    if on_error != "SKIP_FILE":
        raise errors.unsupported(f"ON_ERROR = {on_error}")
    if string(options, "MATCH_BY_COLUMN_NAME", "NONE").upper() not in (
        "NONE",
        "CASE_SENSITIVE",
        "CASE_INSENSITIVE",
    ):
        raise errors.invalid_value(options["MATCH_BY_COLUMN_NAME"], "MATCH_BY_COLUMN_NAME")


def _qualified_format(session: Session, given: Value) -> Options:
    options: Options = dict(given) if isinstance(given, Mapping) else {"FORMAT_NAME": given}
    if "FORMAT_NAME" in options:
        name = session.qualified(parts(string(options, "FORMAT_NAME")))
        options["FORMAT_NAME"] = ".".join(f'"{part}"' for part in name)
    return options


def _metadata(options: Options) -> dict[str, str]:
    given = options.get("INCLUDE_METADATA", {})
    if not isinstance(given, Mapping):
        raise errors.invalid_value(given, "INCLUDE_METADATA")
    for source in given.values():
        if source not in _METADATA:
            raise errors.invalid_value(source, "INCLUDE_METADATA")
    return {name: str(source) for name, source in given.items()}


def _check_match(copy: CopyInto, form: CsvFormat) -> None:
    if copy.match == "NONE":
        if copy.metadata:
            raise errors.compilation(
                1084, "0A000", "INCLUDE_METADATA can only be used with MATCH_BY_COLUMN_NAME."
            )
        return
    if not form.switches["PARSE_HEADER"]:
        raise errors.compilation(
            1084, "0A000", "MATCH_BY_COLUMN_NAME on CSV needs PARSE_HEADER = TRUE."
        )
    if copy.metadata and form.switches["ERROR_ON_COLUMN_COUNT_MISMATCH"]:
        raise errors.compilation(
            1084,
            "0A000",
            "INCLUDE_METADATA on CSV needs ERROR_ON_COLUMN_COUNT_MISMATCH = FALSE.",
        )
