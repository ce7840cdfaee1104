"""From files in the lake to tables that people query: pipes, their load status, publishing.

Holds the SQL and the databases. Knows batches by their manifests; knows nothing of Spotify's
answers, and no Dagster.
"""
