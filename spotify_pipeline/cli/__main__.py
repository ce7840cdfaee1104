"""`python -m spotify_pipeline.cli`, which cron and tests call without a script."""

import sys

from spotify_pipeline.cli import main

sys.exit(main())
