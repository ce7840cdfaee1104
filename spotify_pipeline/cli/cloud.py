"""The commands that set up and look after what the pipeline runs on."""

import argparse
from pathlib import Path

from spotify_pipeline.deployment import read_environment


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    doctor = commands.add_parser("doctor", help="what is configured, and whether each thing works")
    doctor.add_argument(
        "--repair",
        action="store_true",
        help="resume paused pipes and have them look again for files that are not published",
    )
    doctor.add_argument(
        "--canary",
        action="store_true",
        help="send one row from the bucket to LANDING, and take it away again (as administrator)",
    )
    _add_names(doctor)
    doctor.set_defaults(command=_doctor)

    provision = commands.add_parser(
        "provision", help="set up AWS and Snowflake, or bring them to what this release needs"
    )
    _add_stack(provision)
    _add_names(provision)
    provision.add_argument(
        "--retention-days",
        type=int,
        metavar="DAYS",
        help="after how many days a file of the lake goes, 30 at least; 0: never (default: "
        "SPOTIFY_PIPELINE_RETENTION_DAYS, or as it is; else it asks)",
    )
    provision.add_argument(
        "--dagster-principal",
        metavar="ARN",
        help="who may take the role for Dagster (default: whom IAM lets, in the account)",
    )
    provision.add_argument(
        "--without-lambda", action="store_true", help="take the Lambda function away"
    )
    provision.add_argument("--yes", action="store_true", help="don't ask")
    provision.add_argument(
        "--dry-run", action="store_true", help="only show every statement and change"
    )
    provision.set_defaults(command=_provision)

    destroy = commands.add_parser("destroy", help="take away what provision has set up")
    _add_stack(destroy)
    _add_names(destroy)
    destroy.add_argument(
        "--with-data", action="store_true", help="the lake and the database too, for good"
    )
    destroy.add_argument("--confirm", metavar="STACK", help="the stack's name, instead of asking")
    destroy.set_defaults(command=_destroy)

    purge = commands.add_parser(
        "purge", help="forget old days, a playlist or a user, for good; shows first what would go"
    )
    what = purge.add_mutually_exclusive_group(required=True)
    what.add_argument("--before", metavar="DATE", help="every day before this one, YYYY-MM-DD")
    what.add_argument("--playlist", metavar="ID", help="a playlist, on every day")
    what.add_argument("--user", metavar="ID", help="who owns a playlist or added to one")
    purge.add_argument("--yes", action="store_true", help="don't ask")
    _add_names(purge)
    purge.set_defaults(command=_purge)

    package = commands.add_parser(
        "glue-package", help="the Glue job's script, modules and settings, ready for upload"
    )
    package.add_argument("folder", type=Path, help="where to put the files")
    package.set_defaults(command=_glue_package)


def _doctor(arguments: argparse.Namespace) -> int:
    from spotify_pipeline.cli.examining import examine

    return examine(arguments)


def _add_stack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack", default="spotify-pipeline", help="name of the AWS stack")


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--connection",
        default="",
        metavar="NAME",
        help="an administrator's connection of Snowflake's connections.toml (default: its default)",
    )
    parser.add_argument(
        "-D",
        dest="names",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another name for something in Snowflake (snowflake_ddl/README.md)",
    )


def _provision(arguments: argparse.Namespace) -> int:
    from spotify_pipeline.cli.provisioning import provision

    return provision(arguments)


def _destroy(arguments: argparse.Namespace) -> int:
    from spotify_pipeline.cli.provisioning import destroy

    return destroy(arguments)


def _purge(arguments: argparse.Namespace) -> int:
    from spotify_pipeline.cli.forgetting import purge

    return purge(arguments)


def _glue_package(arguments: argparse.Namespace) -> int:
    from spotify_pipeline.provision import glue_package

    environment = read_environment()
    place, name = (
        glue_package.place(environment),
        environment["GLUE_JOB_NAME"] or "spotify_pipeline",
    )
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    files = glue_package.build(name, environment["GLUE_VERSION"], place)
    for file, body in files.items():
        (folder / file).write_bytes(body)
        print(f"  {folder / file}  {len(body):,} bytes")
    print(
        f"Upload them and make the job, with a role that may read and write the bucket:\n"
        f"  aws s3 cp --recursive {folder} {place}\n"
        f"  aws glue create-job --cli-input-json file://{folder / glue_package.SETTINGS} "
        f"--role ROLE\n"
        f"Then set GLUE_JOB_NAME={name} in .env. After an upgrade only the upload is needed, or "
        f"where the settings changed `aws glue update-job` as well."
    )
    return 0
