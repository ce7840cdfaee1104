"""Which privileges there are on what, as far as a pipeline has to do with them."""

_CREATE = {f"CREATE {kind}" for kind in ("FILE FORMAT", "PIPE", "STAGE", "TABLE", "VIEW")}

PRIVILEGES = {
    "ACCOUNT": {
        "CREATE DATABASE",
        "CREATE INTEGRATION",
        "CREATE ROLE",
        "CREATE STORAGE INTEGRATION",
        "CREATE USER",
        "CREATE WAREHOUSE",
        "MANAGE GRANTS",
        "MONITOR EXECUTION",
        "MONITOR USAGE",
    },
    "DATABASE": {"CREATE SCHEMA", "MODIFY", "MONITOR", "USAGE"},
    "SCHEMA": {"MODIFY", "MONITOR", "USAGE", *_CREATE},
    "TABLE": {"DELETE", "INSERT", "REFERENCES", "SELECT", "TRUNCATE", "UPDATE"},
    "VIEW": {"REFERENCES", "SELECT"},
    "STAGE": {"READ", "USAGE", "WRITE"},
    "FILE_FORMAT": {"USAGE"},
    "PIPE": {"MONITOR", "OPERATE"},
    "INTEGRATION": {"USAGE", "USE_ANY_ROLE"},
    "WAREHOUSE": {"MODIFY", "MONITOR", "OPERATE", "USAGE"},
    "USER": {"MONITOR"},
    "ROLE": set(),
}


def is_privilege(privilege: str, kind: str) -> bool:
    return privilege == "OWNERSHIP" or privilege in PRIVILEGES.get(kind, set())
