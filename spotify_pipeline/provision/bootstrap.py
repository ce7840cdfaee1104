"""`spotify-pipeline provision`: AWS and Snowflake brought to what this release needs.

Here is the order. Snowflake and AWS each have to know of the other: the integration names a role
that is not there yet, the role then trusts the integration's user, the pipes are made by that
trust, and the bucket at last tells the pipes' queues of new files.

What is there is looked at every time, so a run that was cut off is gone on with by the next.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.provision import bucket, objects, uploads
from spotify_pipeline.provision import plan as planning
from spotify_pipeline.provision.account import Account
from spotify_pipeline.provision.account_refusals import RoleNotAssumed
from spotify_pipeline.provision.aws import Aws
from spotify_pipeline.provision.change_set import ChangeSet
from spotify_pipeline.provision.ddl import Statement
from spotify_pipeline.provision.found import has_bucket, look, queues_of
from spotify_pipeline.provision.key_pair import KeyPair
from spotify_pipeline.provision.mending import look_back
from spotify_pipeline.provision.obstacles import require_no_obstacle
from spotify_pipeline.provision.plan import Plan
from spotify_pipeline.provision.stack import Stack
from spotify_pipeline.provision.wanted import Wanted

_SETTLE_SECONDS, _POLL_SECONDS = 300, 5
"""For how long Snowflake may take to be let in after the AWS role was changed."""

_NOT_KNOWN_YET = re.compile(
    "^  (Bucket: .*Unable to validate the following destination configurations"
    "|SnowflakeRole: .*Invalid principal in policy)",
    re.MULTILINE,
)
"""How CloudFormation tells of a queue or a user of Snowflake's that AWS does not know yet."""

_NEEDS_AWS = "050"
"""The first file that may need the AWS role; those before it make what the role has to trust."""


@dataclass
class Bootstrap:
    """Plans the way and goes it; `say` hears each step when it begins."""

    account: Account
    aws: Aws
    wanted: Wanted
    stack: Stack
    say: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    _deadline: float = field(default=0, init=False)

    def plan(self, key: KeyPair, external_id: str) -> Plan:
        """What is lacking; `external_id` is for an integration that is not there yet.

        Raises `FixConfiguration` with all that stands in the way.
        """
        found = look(self.account, self.stack, self.aws, self.wanted)
        require_no_obstacle(self.wanted, found, key)
        parameters = planning.parameters(self.wanted, found, key, external_id)
        change_set = self.stack.plan(
            self.wanted.stack_parameters(
                # The true one is known when there is an integration; it is the account's, so as a
                # rule it is the one that the stack knows already.
                found.integration.user_arn
                if found.integration
                else found.stack_parameters.get("SnowflakeUserArn", self.aws.root_arn),
                parameters["external_id"],
                planning.queues(self.wanted, found),
                found.stack_parameters,
                has_bucket=found.has_bucket,
            )
        )
        if change_set:
            self.stack.discard(change_set)
        changes = change_set.changes if change_set else ()
        return planning.plan(self.wanted, found, key, changes, parameters)

    def apply(self, plan: Plan) -> Mapping[str, str]:
        """Does it; the variables of the deployment `aws`."""
        self._be_patient()
        plan.key.store()
        for statement in plan.statements:
            if statement.file < _NEEDS_AWS:
                self._run(statement)
        self._require_key(plan.key)
        if self.wanted.function and self._has_bucket():
            self._upload()  # the stack wants to find the function's code
        outputs = self._connect(plan.queues)
        self._upload()
        if bucket.close(self.aws.client("s3"), self.wanted.bucket):
            self.say(f"the policy of the bucket {self.wanted.bucket}: TLS only")
        for statement in plan.statements:
            if statement.file >= _NEEDS_AWS:
                self._run_when_let_in(statement)
        if plan.connects_pipes or plan.adds_function:
            self._be_patient()
            pipes = objects.pipes(self.account, self.wanted.names["database"])
            outputs = self._connect(queues_of(pipes))
        if plan.connects_pipes or plan.waiting_days:
            for statement in look_back(self.wanted.names):
                self._run_when_let_in(statement)
        return self._environment(plan.key, outputs)

    def _run(self, statement: Statement) -> None:
        self.say(f"{statement.file}: {statement.headline}")
        self.account.run(statement)

    def _run_when_let_in(self, statement: Statement) -> None:
        """A role that was changed just now is believed in by Snowflake a little later."""
        self.say(f"{statement.file}: {statement.headline}")
        while True:
            try:
                return self.account.run(statement)
            except RoleNotAssumed:
                if time.monotonic() > self._deadline:
                    raise
                self.say("  AWS does not let Snowflake in yet; trying again")
                self.sleep(_POLL_SECONDS)

    def _connect(self, queues: str) -> Mapping[str, str]:
        """The stack, with the integration that is there now and these queues; its outputs."""
        name = self.wanted.names["integration"]
        integration = objects.integration(self.account, name)
        if integration is None:
            raise RetryLater(
                f"The integration {name} went away meanwhile. Run it again, it goes on where it "
                f"stopped."
            )
        change_set = self.stack.plan(
            self.wanted.stack_parameters(
                integration.user_arn,
                integration.external_id,
                queues,
                self.stack.parameters(),
                has_bucket=self._has_bucket(),
            )
        )
        if change_set is None:
            return self.stack.outputs() or {}
        for change in change_set.changes:
            self.say(f"stack {self.wanted.stack}: {change.text}")
        outputs = self._apply_when_known(change_set, queues)
        self._be_patient()  # only now has the role begun to settle
        if any(change.action == "Import" for change in change_set.changes):
            # A bucket is taken up as it is; what the template says of it comes with the next.
            return self._connect(queues)
        return outputs

    def _apply_when_known(self, change_set: ChangeSet, queues: str) -> Mapping[str, str]:
        """What one part of AWS or Snowflake has just made, another may not know yet."""
        try:
            return self.stack.apply(change_set)
        except FixConfiguration as error:
            if not _NOT_KNOWN_YET.search(str(error)) or time.monotonic() > self._deadline:
                raise
        self.say("  AWS does not know Snowflake's user or queue yet; trying again")
        self.sleep(_POLL_SECONDS)
        return self._connect(queues)

    def _require_key(self, key: KeyPair) -> None:
        """Two that set up at once would each have made a key, and one user has one of them."""
        user = self.wanted.names["service_user"]
        known = objects.user(self.account, user)
        if known is None or key.public.fingerprint not in known.keys:
            raise RetryLater(
                f"The user {user} has another key than {key.path}: somebody else sets it up at the "
                f"same time. Run it again, it goes on where it stopped."
            )

    def _has_bucket(self) -> bool:
        return has_bucket(self.aws.client("s3"), self.stack, self.wanted)

    def _be_patient(self) -> None:
        self._deadline = time.monotonic() + _SETTLE_SECONDS

    def _upload(self) -> None:
        s3, name = self.aws.client("s3"), self.wanted.bucket
        lacking = uploads.outdated(s3, name, self.wanted.files)
        for key in lacking:
            self.say(f"upload s3://{name}/{key}")
        uploads.upload(s3, name, lacking)

    def _environment(self, key: KeyPair, outputs: Mapping[str, str]) -> Mapping[str, str]:
        names = self.wanted.names
        return {
            "SPOTIFY_PIPELINE_DEPLOYMENT": "aws",
            "AWS_DEFAULT_REGION": self.aws.region,
            "S3_BUCKET": outputs["Bucket"],
            "S3_PREFIX": self.wanted.prefix.rstrip("/"),
            "GLUE_JOB_NAME": outputs["GlueJob"],
            "SNOWFLAKE_ACCOUNT": self.account.identifier,
            "SNOWFLAKE_USER": names["service_user"],
            "SNOWFLAKE_PRIVATE_KEY_PATH": str(key.path.absolute()),
            "SNOWFLAKE_ROLE": names["service_role"],
            "SNOWFLAKE_WAREHOUSE": names["warehouse"],
            "SNOWFLAKE_DATABASE": names["database"],
            **self.account.stand_in,
        }
