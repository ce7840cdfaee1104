"""What Glue runs: it makes the batches of some days in a lake, with Spark.

A script. Besides what Glue brings (Spark and boto3) it needs the modules that
`provision.glue_package` packs. Started by Dagster it reports through Dagster Pipes; whoever else
starts it finds the outcome where everybody finds it: in the manifests.
"""

import sys
from pathlib import Path

import boto3
from dagster_pipes import (
    PipesCliArgsParamsLoader,
    PipesContext,
    PipesS3ContextLoader,
    PipesS3MessageWriter,
    open_dagster_pipes,
)
from pyspark.sql import SparkSession

import spotify_pipeline
from spotify_pipeline.clock import machine_clock
from spotify_pipeline.engines.glue_request import GlueRequest
from spotify_pipeline.engines.spark import SparkEngine
from spotify_pipeline.errors import FixConfiguration, PipelineError
from spotify_pipeline.lake import batch
from spotify_pipeline.lake.batch import RELEASE, Result
from spotify_pipeline.lake.store import open_store


def main() -> None:
    """Makes the batches that the command line asks for; exits with a text if a day has none."""
    request = GlueRequest.parse(sys.argv[1:])
    s3 = boto3.client("s3")
    with open_dagster_pipes(
        params_loader=PipesCliArgsParamsLoader(),  # type: ignore[no-untyped-call]
        context_loader=PipesS3ContextLoader(s3),
        message_writer=PipesS3MessageWriter(s3, interval=1),
    ) as pipes:
        results = _issue(request, pipes)
    bad = [f"{day}: {result}" for day, result in results.items() if _is_bad(result)]
    if bad:
        sys.exit(f"{len(bad)} of {len(results)} days have no batch:\n" + "\n".join(bad))


def _issue(request: GlueRequest, pipes: PipesContext) -> dict[str, Result]:
    if request.release not in ("", RELEASE):
        return _refuse(request, pipes)
    session = SparkSession.builder.appName("spotify_pipeline").getOrCreate()
    modules = Path(spotify_pipeline.__file__).parents[1]
    if modules.is_file():  # the package: workers need it as well
        session.sparkContext.addPyFile(str(modules))
    try:
        _say(pipes, f"Spark {session.version}, {request.lake}: {', '.join(map(str, request.days))}")
        results = batch.issue(
            open_store(request.lake),
            SparkEngine(lambda: session, name="glue"),
            request.days,
            machine_clock,
            reload=request.reload,
            accept_partial=request.accept_partial,
        )
    finally:
        session.stop()
    for day, result in results.items():
        _report(pipes, day.isoformat(), result)
    return {day.isoformat(): result for day, result in results.items()}


def _refuse(request: GlueRequest, pipes: PipesContext) -> dict[str, Result]:
    error = FixConfiguration(
        f"The Glue job's modules are of release {RELEASE}, expected is {request.release}: have "
        f"both renewed by spotify-pipeline provision (with SPOTIFY_SECRET_NAME set, if a Lambda "
        f"function starts the job)."
    )
    for day in request.days:
        _report(pipes, day.isoformat(), error)
    return {day.isoformat(): error for day in request.days}


def _report(pipes: PipesContext, day: str, result: Result) -> None:
    """Tells Dagster what became of a day; the manifest stays the only truth."""
    if isinstance(result, PipelineError):
        _say(pipes, f"{day}: no batch. {result}")
        pipes.report_custom_message(
            {"day": day, "problem": str(result), "kind": type(result).__name__}
        )
    else:
        rows = {table: file.rows for table, file in result.manifest.files.items()}
        said = "issued" if result.is_new else "unchanged"
        counts = ", ".join(f"{count} {table}" for table, count in rows.items())
        _say(pipes, f"{day}: batch {result.manifest.batch} {said}: {counts}")
        pipes.report_custom_message({"day": day, "batch": result.manifest.batch, "rows": rows})


def _say(pipes: PipesContext, text: str) -> None:
    print(text, flush=True)  # noqa: T201 - for the job's own log
    pipes.log.info(text)


def _is_bad(result: Result) -> bool:
    return isinstance(result, PipelineError)


if __name__ == "__main__":
    main()
