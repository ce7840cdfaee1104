"""From raw lines to the six tables, as pure functions over DataFrames.

Written in the PySpark DataFrame API, within the part of it that behaves alike on Spark and on
SQLFrame's DuckDB session; `fitting` alone is about one line, for engines that read JSON in another
way than DuckDB. No reading, no writing, no Dagster: that is `engines`.
"""
