"""What a run of the Glue job is asked for: the arguments between `glue`, which starts it, and
`glue_job`, which runs there."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from spotify_pipeline.lake.batch import RELEASE, Draft


@dataclass(frozen=True)
class GlueRequest:
    """The days whose batches are to be made, in which lake.

    `digests` are those of the batches and `release` that of the modules which who asks expects;
    without them the job makes what it finds.
    """

    lake: str
    days: tuple[date, ...]
    reload: bool = False
    accept_partial: bool = False
    digests: tuple[str, ...] = ()
    release: str = ""

    @classmethod
    def of(
        cls,
        lake: str,
        drafts: Sequence[Draft],
        *,
        reload: bool = False,
        accept_partial: bool = False,
    ) -> "GlueRequest":
        """For these drafts, by a job of this release."""
        return cls(
            lake,
            tuple(draft.day for draft in drafts),
            reload,
            accept_partial,
            tuple(draft.digest for draft in drafts),
            RELEASE,
        )

    def to_arguments(self) -> dict[str, str]:
        """As Glue takes them: every argument has a value, and every value is text."""
        return {
            "--lake": self.lake,
            "--days": ",".join(map(str, self.days)),
            "--reload": str(self.reload).lower(),
            "--accept_partial": str(self.accept_partial).lower(),
            "--digests": ",".join(self.digests),
            "--release": self.release,
        }

    def is_served_by(self, arguments: Mapping[str, str]) -> bool:
        """Whether a run with these arguments makes at least these batches, in the same way."""
        try:
            other = self.parse([word for pair in arguments.items() for word in pair])
        except (SystemExit, KeyError):
            return False
        return (
            (self.lake, self.reload, self.accept_partial, self.release)
            == (other.lake, other.reload, other.accept_partial, other.release)
        ) and set(zip(self.days, self.digests, strict=False)) <= set(
            zip(other.days, other.digests, strict=False)
        )

    def is_all_of(self, arguments: Mapping[str, str]) -> bool:
        """Whether a run with these arguments, by which it is served, makes nothing else."""
        return set(self.days) == set(_days(arguments["--days"]))

    @classmethod
    def parse(cls, words: Sequence[str]) -> "GlueRequest":
        """From a command line, which holds arguments of Glue's own as well."""
        parser = argparse.ArgumentParser(allow_abbrev=False)
        parser.add_argument("--lake", required=True, help="s3://bucket/prefix or file:///folder")
        parser.add_argument("--days", required=True, type=_days, help="YYYY-MM-DD,YYYY-MM-DD,…")
        parser.add_argument("--reload", default=False, type=_truth)
        parser.add_argument("--accept_partial", default=False, type=_truth)
        parser.add_argument("--digests", default="")
        parser.add_argument("--release", default="")
        known, _ = parser.parse_known_args(words)
        return cls(
            known.lake,
            known.days,
            known.reload,
            known.accept_partial,
            tuple(known.digests.split(",")) if known.digests else (),
            known.release,
        )


def _days(text: str) -> tuple[date, ...]:
    return tuple(map(date.fromisoformat, text.split(",")))


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text]
