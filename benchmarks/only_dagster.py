"""What every user of Dagster imports, and nothing else."""

import dagster  # noqa: F401
