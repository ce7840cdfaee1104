"""What Snowflake says no with: a number, an SQL state and a sentence."""


class SnowflakeError(Exception):
    """An answer with `success: false`, as a statement that Snowflake refuses gets it."""

    def __init__(self, code: int, state: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.state = state


def compilation(code: int, state: str, message: str) -> SnowflakeError:
    return SnowflakeError(code, state, f"SQL compilation error:\n{message}")


def unsupported(feature: str) -> SnowflakeError:
    """What Snowflake may well have, but this stand-in has not."""
    return SnowflakeError(2, "0A000", f"Unsupported feature '{feature}' in this stand-in.")


def syntax(found: str) -> SnowflakeError:
    return compilation(1003, "42000", f"syntax error: unexpected {found}.")


def missing(kind: str, name: str) -> SnowflakeError:
    return compilation(2003, "02000", f"{kind} '{name}' does not exist or not authorized.")


def no_object() -> SnowflakeError:
    """What SHOW and USE say of a place that is not there, or out of reach."""
    text = "Object does not exist, or operation cannot be performed."
    return compilation(2043, "02000", text)


def insufficient(kind: str, name: str, role: str, privilege: str) -> SnowflakeError:
    """The role sees the object, and may not do this with it."""
    granted_on = kind.replace("_", " ")
    where = granted_on if kind == "ACCOUNT" else f"{granted_on} {name}"
    return SnowflakeError(
        3001,
        "42501",
        f"SQL access control error:\nInsufficient privileges to operate on {kind.lower()} "
        f"'{name.rpartition('.')[2]}'. Your primary role {role} must have {privilege} granted on "
        f"{where}.",
    )


def exists(kind: str, name: str) -> SnowflakeError:
    return compilation(2002, "42710", f"{kind} '{name}' already exists.")


def invalid_value(value: object, option: str) -> SnowflakeError:
    return compilation(1008, "22023", f"invalid value [{value}] for parameter '{option}'")


def no_current(what: str) -> SnowflakeError:
    code = {"database": 90105, "schema": 90106}[what]
    return SnowflakeError(
        code,
        "22000",
        f"Cannot perform operation. This session does not have a current {what}. "
        f"Call 'USE {what.upper()}', or use a qualified name.",
    )
