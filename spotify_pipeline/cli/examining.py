"""`spotify-pipeline doctor`: what is looked at in which deployment, a line each."""

import argparse
from collections.abc import Iterator
from itertools import chain
from typing import Any

from spotify_pipeline.clock import machine_clock
from spotify_pipeline.deployment import (
    Deployment,
    prepare_for_aws,
    read_deployment,
    read_environment,
)
from spotify_pipeline.errors import FixConfiguration
from spotify_pipeline.orchestration.resources import build_resources
from spotify_pipeline.provision import doctor
from spotify_pipeline.provision.doctor import Verdict


def examine(arguments: argparse.Namespace) -> int:
    """Prints settings and verdicts; 0 unless something fails."""
    environment = read_environment()
    for name, value, origin in doctor.settings(environment):
        print(f"  {name:<29}  {origin:<11}  {value}")
    deployment = read_deployment(environment)
    if arguments.canary and deployment.lake != "s3":
        raise FixConfiguration("--canary is for the deployment aws: no other has a Snowpipe.")
    print(f"\nThe deployment {deployment.name}:")
    resources = build_resources(deployment, machine_clock)
    if arguments.repair:
        repaired = doctor.repair(resources["lake"], resources["database"], machine_clock)
        for said in chain(repaired, ("nothing more to repair",)):
            print(f"  {said}", flush=True)
    states = set()
    for verdict in _verdicts(deployment, resources, arguments):
        text = verdict.text.replace("\n", f"\n{' ' * 32}")
        print(f"  {verdict.state:<4}  {verdict.subject:<22}  {text}", flush=True)
        states.add(verdict.state)
    if "FAIL" in states:
        print("\nNot all is well; each line says what to do.")
        return 1
    print(
        "\nIt works; what is marked warn is worth a look." if "warn" in states else "\nAll is well."
    )
    return 0


def _verdicts(
    deployment: Deployment, resources: dict[str, Any], arguments: argparse.Namespace
) -> Iterator[Verdict]:
    yield from doctor.examine(deployment, resources["spotify"], machine_clock)
    if deployment.lake == "s3":
        yield from _cloud(deployment, resources, arguments)
    elif deployment.duckdb_file.exists():
        yield from doctor.examine_pipes(resources["lake"], resources["database"], machine_clock)


def _cloud(
    deployment: Deployment, resources: dict[str, Any], arguments: argparse.Namespace
) -> Iterator[Verdict]:
    from spotify_pipeline.lake.store import S3Store
    from spotify_pipeline.provision import cloud_doctor, ddl
    from spotify_pipeline.provision.account import administrator
    from spotify_pipeline.provision.aws import Aws, explained
    from spotify_pipeline.provision.canary import Canary

    environment = deployment.environment
    prepare_for_aws()
    signed_in_to: list[Aws] = []

    def aws() -> str:
        with explained("signing in"):
            here = Aws.signed_in()
        signed_in_to.append(here)
        return f"signed in to account {here.account}, region {here.region}"

    signed_in = doctor.verdict("aws", aws)
    yield signed_in
    if signed_in.state != "ok":
        yield doctor.verdict("database", lambda: _database(resources))
        return
    [here] = signed_in_to
    store = S3Store(here.client("s3"), environment["S3_BUCKET"], environment["S3_PREFIX"])
    yield from cloud_doctor.examine_aws(store, here.client, environment, deployment.source)
    pipes = list(doctor.examine_pipes(resources["lake"], resources["database"], machine_clock))
    yield from pipes
    if pipes[0].state != "ok":  # nobody is signed in
        return
    names = ddl.names(environment, arguments.names)
    with resources["database"].database().session() as session:
        yield from cloud_doctor.examine_snowflake(session, store, names)
        if arguments.canary:

            def fly() -> str:
                with administrator(arguments.connection) as account:
                    account.require(environment["SNOWFLAKE_ACCOUNT"])
                    return Canary(store, session, account, names).fly()

            yield doctor.verdict("canary", fly)


def _database(resources: dict[str, Any]) -> str:
    """What can be told of it without the lake."""
    with resources["database"].database().session():
        return "signed in; pipes, stage and rights are looked at once AWS is"
