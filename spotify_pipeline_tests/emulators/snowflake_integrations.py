"""CREATE, ALTER, DROP, SHOW and DESC of storage integrations: who Snowflake is to AWS."""

from collections.abc import Iterator

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators import snowflake_results as results
from spotify_pipeline_tests.emulators.snowflake_catalogue import (
    IAM_USER,
    Catalogue,
    Integration,
    dotted,
    generated_external_id,
)
from spotify_pipeline_tests.emulators.snowflake_results import Result, Row
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import (
    Name,
    Options,
    Reader,
    boolean,
    only,
    string,
    strings,
)

_INTEGRATION = {
    "TYPE",
    "STORAGE_PROVIDER",
    "STORAGE_AWS_ROLE_ARN",
    "STORAGE_AWS_EXTERNAL_ID",
    "STORAGE_AWS_OBJECT_ACL",
    "USE_PRIVATELINK_ENDPOINT",
    "ENABLED",
    "STORAGE_ALLOWED_LOCATIONS",
    "STORAGE_BLOCKED_LOCATIONS",
    "COMMENT",
}
_NEEDED = ("TYPE", "STORAGE_PROVIDER", "STORAGE_AWS_ROLE_ARN", "ENABLED")


class Integrations:
    """STORAGE INTEGRATION. OR REPLACE makes another one: stages that used the old have none."""

    words = ("STORAGE", "INTEGRATION")
    plural = ("INTEGRATIONS",)
    depth = 1
    columns = ("name", "type", "category", "enabled", "comment", "created_on")

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def exists(self, name: Name) -> bool:
        return dotted(name) in self._catalogue.integrations

    def create(self, session: Session, name: Name, reader: Reader) -> None:
        options = reader.options()
        reader.end()
        only(options, _INTEGRATION, "STORAGE INTEGRATION")
        for key in (*_NEEDED, "STORAGE_ALLOWED_LOCATIONS"):
            if key not in options:
                raise errors.syntax(f"end of statement: {key} is missing")
        if string(options, "STORAGE_PROVIDER").upper() != "S3":
            raise errors.unsupported(f"STORAGE_PROVIDER = {options['STORAGE_PROVIDER']}")
        made = Integration(
            dotted(name), self._catalogue.clock(), "", generated_external_id(), True, ()
        )
        _set_integration(made, options)
        self._catalogue.integrations[made.name] = made

    def alter(self, session: Session, name: Name, reader: Reader) -> None:
        integration = self._catalogue.integration(dotted(name))
        if reader.accept("UNSET"):
            for key in reader.words():
                _unset(integration, key)
            return
        reader.expect("SET")
        options = reader.options()
        reader.end()
        only(options, _INTEGRATION - {"TYPE", "STORAGE_PROVIDER"}, "STORAGE INTEGRATION")
        _set_integration(integration, options)

    def drop(self, session: Session, name: Name) -> None:
        del self._catalogue.integrations[dotted(name)]

    def rows(self, session: Session) -> Iterator[tuple[Name, Row]]:
        for each in list(self._catalogue.integrations.values()):
            yield (
                (each.name,),
                {
                    "name": each.name,
                    "type": "EXTERNAL_STAGE",
                    "category": "STORAGE",
                    "enabled": str(each.enabled).lower(),
                    "comment": each.comment,
                    "created_on": each.created_on,
                },
            )

    def describe(self, name: Name) -> Result:
        each = self._catalogue.integration(dotted(name))
        properties = {
            "ENABLED": ("Boolean", str(each.enabled).lower(), "false"),
            "STORAGE_PROVIDER": ("String", "S3", ""),
            "STORAGE_ALLOWED_LOCATIONS": ("List", ",".join(each.allowed), "[]"),
            "STORAGE_BLOCKED_LOCATIONS": ("List", ",".join(each.blocked), "[]"),
            "STORAGE_AWS_IAM_USER_ARN": ("String", IAM_USER, ""),
            "STORAGE_AWS_ROLE_ARN": ("String", each.role_arn, ""),
            "STORAGE_AWS_EXTERNAL_ID": ("String", each.external_id, ""),
            "COMMENT": ("String", each.comment, ""),
        }
        return results.properties(properties)


def _set_integration(integration: Integration, options: Options) -> None:
    integration.role_arn = string(options, "STORAGE_AWS_ROLE_ARN", integration.role_arn)
    integration.external_id = string(options, "STORAGE_AWS_EXTERNAL_ID", integration.external_id)
    integration.enabled = boolean(options, "ENABLED", integration.enabled)
    if "STORAGE_ALLOWED_LOCATIONS" in options:
        integration.allowed = strings(options, "STORAGE_ALLOWED_LOCATIONS")
    if "STORAGE_BLOCKED_LOCATIONS" in options:
        integration.blocked = strings(options, "STORAGE_BLOCKED_LOCATIONS")
    integration.comment = string(options, "COMMENT", integration.comment)


def _unset(integration: Integration, key: str) -> None:
    if key == "STORAGE_BLOCKED_LOCATIONS":
        integration.blocked = ()
    elif key == "COMMENT":
        integration.comment = ""
    else:
        raise errors.syntax(f"'{key}'")
