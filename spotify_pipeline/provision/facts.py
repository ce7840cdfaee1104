"""All that holds in Snowflake of what `snowflake_ddl` makes, in the facts of `ddl`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from spotify_pipeline.provision import ddl
from spotify_pipeline.provision.account import Account


def facts(account: Account, names: Mapping[str, str]) -> frozenset[str]:
    """Those about things under these names."""
    account.use(ddl.ADMINISTRATOR)
    found = {fact.upper() for fact in _containers(account, names)}
    if f"DATABASE {names['database']}".upper() in found:
        found.update(_objects(account, names["database"]))
    for role in (names[name] for name in ddl.ROLES):
        if f"ROLE {role}".upper() in found:
            found.update(_rights(account, role))
    found.update(_versions(account, names, {fact.upper() for fact in found}))
    return frozenset(fact.upper() for fact in found)


def held(role: str, grants: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the rows of SHOW GRANTS TO ROLE tell."""
    for row in grants:
        kind = row["granted_on"].replace("_", " ")
        if kind == "ROLE" and row["privilege"] == "USAGE":
            yield f"ROLE {row['name']} TO ROLE {role}"
        else:
            yield f"{row['privilege']} ON {kind} {row['name']} TO ROLE {role}"


def _containers(account: Account, names: Mapping[str, str]) -> Iterator[str]:
    for kind, plural, known in (
        ("ROLE", "ROLES", [names[name] for name in ddl.ROLES]),
        ("USER", "USERS", [names["service_user"]]),
        ("WAREHOUSE", "WAREHOUSES", [names["warehouse"]]),
        ("DATABASE", "DATABASES", [names["database"]]),
        ("INTEGRATION", "STORAGE INTEGRATIONS", [names["integration"]]),
    ):
        for name in known:
            if account.named(f"SHOW {plural} LIKE '{name}'", name):
                yield f"{kind} {name}"


def _objects(account: Account, database: str) -> Iterator[str]:
    for row in account.ask(f"SHOW SCHEMAS IN DATABASE {database}"):
        yield f"SCHEMA {database}.{row['name']}"
    for kind in ("TABLE", "VIEW", "FILE FORMAT", "STAGE", "PIPE"):
        for row in account.ask(f"SHOW {kind}S IN DATABASE {database}"):
            yield f"{kind} {database}.{row['schema_name']}.{row['name']}"


def _rights(account: Account, role: str) -> Iterator[str]:
    yield from held(role, account.ask(f"SHOW GRANTS TO ROLE {role}"))
    for row in account.ask(f"SHOW FUTURE GRANTS TO ROLE {role}"):
        schema, kind = row["name"].rsplit(".", 1)[0], row["grant_on"].replace("_", " ")
        yield f"{row['privilege']} ON FUTURE {kind}S IN SCHEMA {schema} TO ROLE {role}"
    for row in account.ask(f"SHOW GRANTS OF ROLE {role}"):
        yield f"ROLE {role} TO {row['granted_to']} {row['grantee_name']}"


def _versions(account: Account, names: Mapping[str, str], found: Collection[str]) -> Iterator[str]:
    table, warehouse = f"{names['database']}.OPS.SCHEMA_VERSION", names["warehouse"]
    if {f"TABLE {table}".upper(), f"WAREHOUSE {warehouse}".upper()} <= set(found):
        account.compute_on(warehouse)
        for row in account.ask(f"SELECT version FROM {table}"):
            yield f"VERSION {row['version']}"
