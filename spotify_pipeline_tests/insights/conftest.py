"""A real DuckDB file, as where the tables are loaded."""

from spotify_pipeline_tests.loading.conftest import new_file, opened, session, store

__all__ = ["new_file", "opened", "session", "store"]
