"""What a session is told of the files of a stage, and of what an integration gets at."""

import json
import re
from datetime import UTC, datetime
from email.utils import format_datetime

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_authority import Authority
from spotify_pipeline_tests.emulators.snowflake_catalogue import Catalogue, Stage, dotted
from spotify_pipeline_tests.emulators.snowflake_results import Result
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_storage import NoAccess, Storage
from spotify_pipeline_tests.emulators.snowflake_syntax import Reader, only, string

_FAILED = (
    "Some of the integration checks failed. Check the Snowflake documentation for more information."
)
_NO_FILE = "The specified key does not exist. (Status Code: 404; Error Code: NoSuchKey)"


class Files:
    """LIST and SYSTEM$VALIDATE_STORAGE_INTEGRATION."""

    def __init__(self, catalogue: Catalogue, storage: Storage, authority: Authority) -> None:
        self._catalogue = catalogue
        self._storage = storage
        self._authority = authority

    def list(self, session: Session, reader: Reader) -> Result:
        """`LIST @stage/path/ PATTERN = '…'`, from the location on."""
        given, path = reader.location()
        options = reader.options()
        reader.end()
        only(options, {"PATTERN"}, "LIST")
        name = session.qualified(given)
        stage = self._catalogue.stage(name)
        self._authority.need(session, "STAGE", dotted(name), "USAGE")
        if stage.integration and self._catalogue.is_linked(stage):
            self._authority.need(session, "INTEGRATION", stage.integration.name, "USAGE")
        try:
            self._storage.check(stage)
        except NoAccess as error:
            raise error.error from error
        rows = [
            (f"s3://{stage.bucket}/{each.key}", each.size, each.etag, _stamp(each.modified))
            for each in self._storage.objects(stage.bucket, stage.prefix + path)
        ]
        if pattern := string(options, "PATTERN"):
            rows = [row for row in rows if re.fullmatch(pattern, row[0])]
        return Result(("name", "size", "md5", "last_modified"), rows)

    def validate(self, session: Session, name: str, url: str, file: str, action: str) -> str:
        """SYSTEM$VALIDATE_STORAGE_INTEGRATION, of `list` and `read`."""
        integration = self._catalogue.integration(name)
        self._authority.need(session, "INTEGRATION", name, "USAGE")
        if action.lower() not in ("list", "read"):
            raise errors.unsupported(f"SYSTEM$VALIDATE_STORAGE_INTEGRATION {action}")
        stage = Stage((), self._catalogue.clock(), url, integration)
        failure = self._failure(stage, file if action.lower() == "read" else None)
        outcome = {"message": failure, "status": "failure"} if failure else {"status": "success"}
        told = {"status": outcome["status"], "actions": {action.upper(): outcome}}
        return json.dumps(told | ({"message": _FAILED} if failure else {}))

    def _failure(self, stage: Stage, file: str | None) -> str | None:
        try:
            self._storage.check(stage)
        except NoAccess as error:
            return str(error)
        if file and self._storage.read(stage.bucket, stage.prefix + file) is None:
            return _NO_FILE
        return None


def _stamp(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)
