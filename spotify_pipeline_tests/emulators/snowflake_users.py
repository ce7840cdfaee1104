"""Users and what DESC USER tells of them."""

from collections.abc import Iterator

from spotify_pipeline.clock import Clock
from spotify_pipeline_tests.emulators.snowflake_errors import invalid_value
from spotify_pipeline_tests.emulators.snowflake_keys import fingerprint, public_key
from spotify_pipeline_tests.emulators.snowflake_principals import Principal, Principals
from spotify_pipeline_tests.emulators.snowflake_results import Result, Row
from spotify_pipeline_tests.emulators.snowflake_sessions import Session
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, Options, Value, boolean, string

KEYS = ("RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2")

_TYPES = ("PERSON", "SERVICE", "SERVICE_AGENT", "LEGACY_SERVICE")
_SET_BY_NAME = {
    "COMMENT",
    "DEFAULT_NAMESPACE",
    "DEFAULT_ROLE",
    "DEFAULT_SECONDARY_ROLES",
    "DEFAULT_WAREHOUSE",
    "DISABLED",
    "DISPLAY_NAME",
    "EMAIL",
    "FIRST_NAME",
    "LAST_NAME",
    "LOGIN_NAME",
    "MUST_CHANGE_PASSWORD",
    "NETWORK_POLICY",
    "PASSWORD",
    "QUERY_TAG",
    "STATEMENT_TIMEOUT_IN_SECONDS",
    "TIMEZONE",
    "TYPE",
    "WORKLOAD_IDENTITY",
    *KEYS,
}
_DESCRIBED = {
    "NAME": "Name",
    "COMMENT": "user comment associated to an object in the dictionary",
    "DISPLAY_NAME": "Display name of the associated object",
    "TYPE": "Type of the user",
    "LOGIN_NAME": "Login name of the user",
    "FIRST_NAME": "First name of the user",
    "MIDDLE_NAME": "Middle name of the user",
    "LAST_NAME": "Last name of the user",
    "EMAIL": "Email address of the user",
    "PASSWORD": "Password of the user",
    "MUST_CHANGE_PASSWORD": "User must change the password",
    "DISABLED": "Whether the entity is disabled",
    "SNOWFLAKE_LOCK": "Whether the user, account, or organization is locked by Snowflake",
    "SNOWFLAKE_SUPPORT": "Snowflake Support is allowed to use the user or account",
    "DAYS_TO_EXPIRY": "User record will be treated as expired after specified number of days",
    "MINS_TO_UNLOCK": "Temporary lock on the user will be removed after specified minutes",
    "DEFAULT_WAREHOUSE": "Default warehouse for this user",
    "DEFAULT_NAMESPACE": "Default database namespace prefix for this user",
    "DEFAULT_ROLE": "Primary principal of user session will be set to this role",
    "DEFAULT_SECONDARY_ROLES": "The secondary roles will be set to all roles provided here.",
    "EXT_AUTHN_DUO": "Whether Duo Security is enabled as second factor authentication",
    "EXT_AUTHN_UID": "External authentication ID of the user",
    "DEFAULT_MFA_METHOD": "Default MFA method for the user",
    "HAS_MFA": "Whether the user is enrolled in multi-factor authentication",
    "HAS_PAT": "Whether the user has a programmatic access token",
    "HAS_WORKLOAD_IDENTITY": "Whether the user has workload identity defined",
    "MINS_TO_BYPASS_MFA": "Temporary bypass MFA for the user for a specified number of minutes",
    "MINS_TO_BYPASS_NETWORK_POLICY": "Temporary bypass network policy on the user",
    "RSA_PUBLIC_KEY": "RSA public key of the user",
    "RSA_PUBLIC_KEY_FP": "Fingerprint of user's RSA public key.",
    "RSA_PUBLIC_KEY_LAST_SET_TIME": "When the RSA public key was last set for the user",
    "RSA_PUBLIC_KEY_2": "Second RSA public key of the user",
    "RSA_PUBLIC_KEY_2_FP": "Fingerprint of user's second RSA public key.",
    "RSA_PUBLIC_KEY_2_LAST_SET_TIME": "When the second RSA public key was last set for the user",
    "PASSWORD_LAST_SET_TIME": "When the last non-null password was set for the user",
    "CUSTOM_LANDING_PAGE_URL": "Reserved for future use",
    "CUSTOM_LANDING_PAGE_URL_FLUSH_NEXT_UI_LOAD": "Reserved for future use",
    "IS_FROM_ORGANIZATION_USER": "Whether the user is imported from an organization user.",
}
_DEFAULTS = {
    **dict.fromkeys(
        (
            "MUST_CHANGE_PASSWORD",
            "DISABLED",
            "SNOWFLAKE_LOCK",
            "SNOWFLAKE_SUPPORT",
            "EXT_AUTHN_DUO",
            "HAS_MFA",
            "HAS_PAT",
            "HAS_WORKLOAD_IDENTITY",
            "CUSTOM_LANDING_PAGE_URL_FLUSH_NEXT_UI_LOAD",
            "IS_FROM_ORGANIZATION_USER",
        ),
        "false",
    ),
    "DEFAULT_SECONDARY_ROLES": "[ALL]",
}
_SHOWN = (
    "login_name",
    "display_name",
    "first_name",
    "last_name",
    "email",
    "default_warehouse",
    "default_namespace",
    "default_role",
    "default_secondary_roles",
    "type",
    "disabled",
    "must_change_password",
    "snowflake_lock",
    "ext_authn_duo",
    "has_mfa",
    "has_pat",
    "has_workload_identity",
    "is_from_organization_user",
)
"""What SHOW USERS tells as DESC USER does, but for what is null."""


class Users(Principals):
    """USER."""

    columns = (
        "name",
        "created_on",
        "login_name",
        "display_name",
        "first_name",
        "last_name",
        "email",
        "mins_to_unlock",
        "days_to_expiry",
        "comment",
        "disabled",
        "must_change_password",
        "snowflake_lock",
        "default_warehouse",
        "default_namespace",
        "default_role",
        "default_secondary_roles",
        "ext_authn_duo",
        "ext_authn_uid",
        "mins_to_bypass_mfa",
        "owner",
        "last_success_login",
        "expires_at_time",
        "locked_until_time",
        "has_password",
        "has_rsa_public_key",
        "type",
        "has_mfa",
        "has_pat",
        "has_workload_identity",
        "is_from_organization_user",
    )

    def __init__(self, clock: Clock) -> None:
        super().__init__("USER", _SET_BY_NAME, clock)
        self._set_times: dict[tuple[Principal, str], str] = {}

    def check(self, principal: Principal, options: Options) -> None:
        if string(options, "TYPE", "PERSON").upper() not in _TYPES:
            raise invalid_value(options["TYPE"], "TYPE")
        for key in KEYS:
            if string(options, key):
                public_key(string(options, key))
                moment = f"{self._clock():%Y-%m-%d %H:%M:%S.%f}"[:-3]
                self._set_times[principal, key] = moment

    def rows(self, session: Session) -> Iterator[tuple[Name, Row]]:
        for user in list(self.held.values()):
            told = self._told(user)
            has_key = any(string(user.options, key) for key in KEYS)
            yield (
                (user.name,),
                {
                    "name": user.name,
                    "created_on": user.created_on,
                    "comment": string(user.options, "COMMENT"),
                    "has_password": str("PASSWORD" in user.options).lower(),
                    "has_rsa_public_key": str(has_key).lower(),
                    **{name: told[name.upper()] for name in _SHOWN if name.upper() in told},
                },
            )

    def describe(self, name: Name) -> Result:
        told = self._told(self.held[".".join(name)])
        rows = [
            (key, told.get(key, "null"), _DEFAULTS.get(key, "null"), description)
            for key, description in _DESCRIBED.items()
        ]
        return Result(("property", "value", "default", "description"), rows)

    def _told(self, user: Principal) -> dict[str, str]:
        """The properties that are not null, as text."""
        options = user.options
        told = _DEFAULTS | {"LOGIN_NAME": user.name, "DISPLAY_NAME": user.name, "TYPE": "PERSON"}
        told |= {key: str(value) for key, value in options.items() if key in _DESCRIBED}
        told |= {key: str(boolean(options, key)).lower() for key in ("DISABLED",)}
        told["NAME"], told["TYPE"] = user.name, told["TYPE"].upper()
        told["DEFAULT_SECONDARY_ROLES"] = _listed(options.get("DEFAULT_SECONDARY_ROLES", ("ALL",)))
        if "PASSWORD" in options:
            told["PASSWORD"] = "********"
        for key in KEYS:
            if string(options, key):
                told[f"{key}_FP"] = fingerprint(string(options, key))
            if (user, key) in self._set_times:
                told[f"{key}_LAST_SET_TIME"] = self._set_times[user, key]
        return told


def _listed(value: Value) -> str:
    return "[" + ",".join(f'"{each}"' for each in value) + "]"
