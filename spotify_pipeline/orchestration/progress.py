"""What a run tells on the command line while it goes on: the steps' own words, and nothing else."""

import logging
import sys

import dagster as dg


class _Words(logging.Filter):
    """Lets through what a step says itself: neither Dagster's events nor its errors about steps,
    which the outcome sums up."""

    def filter(self, record: logging.LogRecord) -> bool:
        meta = getattr(record, "dagster_meta", {})
        record.msg, record.args = meta.get("orig_message", record.msg), ()
        return meta.get("dagster_event") is None and record.levelno < logging.ERROR


@dg.logger(
    {"is_talkative": dg.Field(bool, default_value=True)},
    description="The steps' own words, for the command line.",
)
def progress(context: dg.InitLoggerContext) -> logging.Logger:
    """Writes to the standard error, a line each; nothing unless it `is_talkative`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("  %(message)s"))
    level = logging.INFO if context.logger_config["is_talkative"] else logging.CRITICAL
    logger = logging.Logger("spotify_pipeline.progress", level)
    logger.addFilter(_Words())
    logger.addHandler(handler)
    return logger
