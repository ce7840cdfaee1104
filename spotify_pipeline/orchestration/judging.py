"""How checks are carried out: what they look at, and how a finding becomes Dagster's verdict.

Which checks there are and what they ask stands in `checks`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import dagster as dg

from spotify_pipeline.clock import Clock, today
from spotify_pipeline.lake import manifests
from spotify_pipeline.lake.manifests import Manifest
from spotify_pipeline.lake.store import ObjectStore
from spotify_pipeline.loading import publishing
from spotify_pipeline.loading.database import Session
from spotify_pipeline.loading.pipe import Seen, look
from spotify_pipeline.loading.quality import Finding
from spotify_pipeline.orchestration.database import DatabaseResource
from spotify_pipeline.orchestration.metadata import explained
from spotify_pipeline.orchestration.remedies import REMEDIES
from spotify_pipeline.orchestration.resources import LakeResource, SpotifyResource

WINDOW_DAYS = 7
_OFFENDER = "offender"
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


class Facts:
    """What checks look at; fetched when the first of them asks."""

    def __init__(
        self,
        store: ObjectStore,
        database: DatabaseResource,
        spotify: SpotifyResource,
        clock: Clock,
        open_: ExitStack,
    ) -> None:
        self.store = store
        self.spotify = spotify
        self.now = clock()
        self.day = today(clock)
        self.days = [self.day - timedelta(days=n) for n in reversed(range(WINDOW_DAYS))]
        self._clock = clock
        self._database = database
        self._open = open_

    @cached_property
    def session(self) -> Session:
        return self._open.enter_context(self._database.database().session())

    @cached_property
    def waiting(self) -> Seen:
        """The pipes, and the batches that are not published: what the sensor looks at."""
        unpublished = publishing.unpublished(self.session, self.store)
        pipes = self._database.pipes(self.store)
        return look(pipes, self.session, unpublished, self._clock())

    @cached_property
    def manifests(self) -> list[Manifest]:
        """The current manifests of the last days."""
        found = (manifests.current(self.store, day) for day in self.days)
        return [manifest for manifest in found if manifest]


@contextmanager
def facts_of(
    lake: LakeResource, database: DatabaseResource, spotify: SpotifyResource, clock: Clock
) -> Iterator[Facts]:
    """The facts of today; what they open is closed with the block."""
    with ExitStack() as open_:
        yield Facts(lake.store(), database, spotify, clock, open_)


@dataclass(frozen=True)
class Check:
    """One check: what it asks of the facts, and how bad it is if the answer is no."""

    asset: dg.AssetKey
    name: str
    description: str
    judge: Callable[[Facts], Finding]
    severity: dg.AssetCheckSeverity = ERROR

    @property
    def key(self) -> dg.AssetCheckKey:
        return dg.AssetCheckKey(self.asset, self.name)

    def evaluate(self, finding: Finding) -> dg.AssetCheckResult:
        """The finding as Dagster shows it."""
        metadata: dict[str, Any] = {"expected": finding.expected, "found": finding.found}
        if finding.offenders:
            # The UI hides Markdown that is long, and would read it in names that others gave.
            records = [dg.TableRecord({_OFFENDER: offender}) for offender in finding.shown]
            metadata["offenders"] = dg.MetadataValue.table(records)
            metadata["what to do"] = REMEDIES[self.name]
        return dg.AssetCheckResult(
            asset_key=self.asset,
            check_name=self.name,
            passed=finding.passed,
            severity=WARN if finding.only_warns else self.severity,
            description=f"expected: {finding.expected}; found: {finding.found}",
            metadata=metadata,
        )

    def event(self, finding: Finding) -> dg.AssetCheckEvaluation:
        """The finding as an event that needs no run."""
        result = self.evaluate(finding)
        return dg.AssetCheckEvaluation(
            asset_key=self.asset,
            check_name=self.name,
            passed=finding.passed,
            metadata=dict(result.metadata),
            severity=result.severity,
            description=result.description,
        )


def offenders(evaluation: dg.AssetCheckEvaluation) -> list[str]:
    """The evidence of a verdict, a line each; nothing where all is well."""
    told = evaluation.metadata.get("offenders")
    if not isinstance(told, dg.TableMetadataValue):
        return []
    return [str(record.data[_OFFENDER]) for record in told.records]


def report(instance: dg.DagsterInstance, checks: Sequence[Check], facts: Facts) -> None:
    """Tells verdicts outside of a check step, where Dagster would leave that step out."""
    for check in checks:
        instance.report_runless_asset_event(check.event(check.judge(facts)))


def step(name: str, checks: Sequence[Check]) -> dg.AssetChecksDefinition:
    """One step for all of these checks, any of which can be run alone."""
    specs = [
        dg.AssetCheckSpec(check.name, asset=check.asset, description=check.description)
        for check in checks
    ]

    @dg.multi_asset_check(name=name, specs=specs, can_subset=True)
    def judge(
        context: dg.AssetCheckExecutionContext,
        lake: LakeResource,
        database: DatabaseResource,
        spotify: SpotifyResource,
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.AssetCheckResult]:
        with explained(), facts_of(lake, database, spotify, clock) as facts:
            found = [
                check.evaluate(check.judge(facts))
                for check in checks
                if check.key in context.selected_asset_check_keys
            ]
        yield from found

    return judge
