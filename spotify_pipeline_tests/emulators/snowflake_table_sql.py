"""Reads SQL about tables and views, and takes out of it what DuckDB has no use for."""

from typing import Any

import sqlglot
from sqlglot import exp

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_syntax import Name, parts


def parsed(sql: str) -> Any:
    try:
        return sqlglot.parse_one(sql, read="snowflake")
    except sqlglot.ParseError as error:
        raise errors.syntax(str(error.errors[0].get("highlight", "statement"))) from error


def name_of(table: exp.Table) -> Name:
    """Its name as it is written, without what stands beside it."""
    return parts(".".join(part.sql("snowflake") for part in table.parts))


def take_comments(statement: exp.Expression) -> tuple[str, dict[str, str]]:
    """Takes the comments out; that of the table, and those of its columns."""
    comment, columns = "", {}
    for of_table in list(statement.find_all(exp.SchemaCommentProperty)):
        comment = of_table.this.name
        of_table.pop()
    for of_column in list(statement.find_all(exp.CommentColumnConstraint)):
        column = of_column.find_ancestor(exp.ColumnDef)
        assert column
        [name] = parts(column.this.sql("snowflake"))
        columns[name] = of_column.this.name
        _outer(of_column).pop()
    return comment, columns


def take_keys(schema: exp.Schema) -> None:
    """Takes out what DuckDB would enforce."""
    needed = set()
    for key in list(schema.find_all(exp.PrimaryKey)):
        needed |= {each.name.upper() for each in key.expressions}
        _outer(key).pop()
    for kind in (exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint, exp.ForeignKey):
        for found in list(schema.find_all(kind)):
            column = found.find_ancestor(exp.ColumnDef)
            if column and kind is exp.PrimaryKeyColumnConstraint:
                needed.add(column.name.upper())
            _outer(found).pop()
    for column in schema.expressions:
        is_not_null = column.find(exp.NotNullColumnConstraint)
        if isinstance(column, exp.ColumnDef) and column.name.upper() in needed and not is_not_null:
            constraint = exp.ColumnConstraint(kind=exp.NotNullColumnConstraint())
            column.append("constraints", constraint)


def _outer(found: Any) -> Any:
    """The constraint that a clause is the content of, or itself."""
    is_wrapped = isinstance(found.parent, exp.Constraint | exp.ColumnConstraint)
    return found.parent if is_wrapped else found
