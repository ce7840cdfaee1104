"""CREATE, ALTER, DROP, SHOW and DESC of file formats and stages: where files lie, how they read."""

from collections.abc import Iterator, Mapping

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_authority import Authority
from spotify_pipeline_tests.emulators.snowflake_catalogue import Catalogue, FileFormat, Stage
from spotify_pipeline_tests.emulators.snowflake_csv import check_options
from spotify_pipeline_tests.emulators.snowflake_format_options import as_json, described
from spotify_pipeline_tests.emulators.snowflake_results import Result, Row
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, Options, Reader, only, string

_STAGE = {"URL", "STORAGE_INTEGRATION", "FILE_FORMAT", "COMMENT"}
_COPY_OPTIONS = {
    "ON_ERROR": ("String", "ABORT_STATEMENT"),
    "SIZE_LIMIT": ("Long", ""),
    "PURGE": ("Boolean", "false"),
    "RETURN_FAILED_ONLY": ("Boolean", "false"),
    "ENFORCE_LENGTH": ("Boolean", "true"),
    "TRUNCATECOLUMNS": ("Boolean", "false"),
    "FORCE": ("Boolean", "false"),
}


class FileFormats:
    """FILE FORMAT, of TYPE=CSV; what its options mean is seen to when a pipe uses it."""

    words = ("FILE", "FORMAT")
    plural = ("FILE", "FORMATS")
    depth = 3
    columns = (
        "created_on",
        "name",
        "database_name",
        "schema_name",
        "type",
        "owner",
        "comment",
        "format_options",
        "owner_role_type",
    )

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def exists(self, name: Name) -> bool:
        return name in self._catalogue.file_formats

    def create(self, session: Session, name: Name, reader: Reader) -> None:
        options = reader.options()
        reader.end()
        comment = string(options, "COMMENT")
        options.pop("COMMENT", None)
        check_options(options)
        made = FileFormat(name, self._catalogue.clock(), options, comment)
        self._catalogue.file_formats[name] = made

    def alter(self, session: Session, name: Name, reader: Reader) -> None:
        reader.expect("SET")
        form = self._catalogue.file_format(name)
        options = reader.options()
        form.comment = string(options, "COMMENT", form.comment)
        options.pop("COMMENT", None)
        check_options(options)
        form.options = form.options | options

    def drop(self, session: Session, name: Name) -> None:
        del self._catalogue.file_formats[name]

    def rows(self, session: Session) -> Iterator[tuple[Name, Row]]:
        for each in list(self._catalogue.file_formats.values()):
            yield (
                each.name,
                _named(each.name)
                | {
                    "created_on": each.created_on,
                    "type": "CSV",
                    "comment": each.comment,
                    "format_options": as_json(each.options),
                },
            )

    def describe(self, name: Name) -> Result:
        options = self._catalogue.file_format(name).options
        columns = ("property", "property_type", "property_value", "property_default")
        return Result(columns, described(options))


class Stages:
    """External STAGEs on S3, by a storage integration."""

    words = ("STAGE",)
    plural = ("STAGES",)
    depth = 3
    columns = (
        "created_on",
        "name",
        "database_name",
        "schema_name",
        "url",
        "has_credentials",
        "has_encryption_key",
        "owner",
        "comment",
        "region",
        "type",
        "cloud",
        "notification_channel",
        "storage_integration",
        "endpoint",
        "owner_role_type",
        "directory_enabled",
    )

    def __init__(self, catalogue: Catalogue, authority: Authority, region: str) -> None:
        self._catalogue = catalogue
        self._authority = authority
        self._region = region

    def exists(self, name: Name) -> bool:
        return name in self._catalogue.stages

    def create(self, session: Session, name: Name, reader: Reader) -> None:
        options = reader.options()
        reader.end()
        only(options, _STAGE, "STAGE")
        if not string(options, "URL").startswith("s3://"):
            raise errors.unsupported("a stage that is not on S3")
        made = Stage(name, self._catalogue.clock(), "", None)
        self._set(session, made, options)
        self._catalogue.stages[name] = made

    def alter(self, session: Session, name: Name, reader: Reader) -> None:
        reader.expect("SET")
        options = reader.options()
        reader.end()
        only(options, _STAGE, "STAGE")
        self._set(session, self._catalogue.stage(name), options)

    def drop(self, session: Session, name: Name) -> None:
        del self._catalogue.stages[name]

    def rows(self, session: Session) -> Iterator[tuple[Name, Row]]:
        for each in list(self._catalogue.stages.values()):
            yield each.name, _stage_row(each) | {"region": self._region}

    def describe(self, name: Name) -> Result:
        stage = self._catalogue.stage(name)
        form, linked = stage.file_format, stage.integration
        rows = [
            *(
                [("STAGE_FILE_FORMAT", "FORMAT_NAME", "String", form["FORMAT_NAME"], "")]
                if "FORMAT_NAME" in form
                else [("STAGE_FILE_FORMAT", *option) for option in described(form)]
            ),
            *(
                ("STAGE_COPY_OPTIONS", option, kind, default, default)
                for option, (kind, default) in _COPY_OPTIONS.items()
            ),
            ("STAGE_LOCATION", "URL", "String", f'["{stage.url}"]', ""),
            ("STAGE_INTEGRATION", "STORAGE_INTEGRATION", "String", linked and linked.name, ""),
            ("DIRECTORY", "ENABLE", "Boolean", "false", "false"),
            ("DIRECTORY", "AUTO_REFRESH", "Boolean", "false", "false"),
        ]
        columns = ("property", "property_type", "property_value", "property_default")
        return Result(("parent_property", *columns), rows)

    def _set(self, session: Session, stage: Stage, options: Options) -> None:
        integration = stage.integration
        if "STORAGE_INTEGRATION" in options:
            integration = self._catalogue.integration(string(options, "STORAGE_INTEGRATION"))
            self._authority.need(session, "INTEGRATION", integration.name, "USAGE")
        url = string(options, "URL", stage.url)
        if integration and not integration.admits(url):
            raise errors.SnowflakeError(
                3001,
                "42501",
                f"Location '{url}' is not allowed by integration '{integration.name}'. "
                f"Please use DESC INTEGRATION to check out allowed and blocked locations.",
            )
        stage.integration, stage.url = integration, url
        form = options.get("FILE_FORMAT", stage.file_format)
        stage.file_format = dict(form) if isinstance(form, Mapping) else {"FORMAT_NAME": form}
        stage.comment = string(options, "COMMENT", stage.comment)


def _named(name: Name) -> dict[str, object]:
    return {"database_name": name[0], "schema_name": name[1], "name": name[2]}


def _stage_row(stage: Stage) -> dict[str, object]:
    return _named(stage.name) | {
        "created_on": stage.created_on,
        "url": stage.url,
        "has_credentials": "N",
        "has_encryption_key": "N",
        "comment": stage.comment,
        "type": "EXTERNAL",
        "cloud": "AWS",
        "storage_integration": stage.integration.name if stage.integration else None,
        "directory_enabled": "N",
    }
