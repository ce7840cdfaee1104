"""The CloudFormation stack: planned as a change set, looked at, then made.

Here belongs how a stack is changed; what ours holds is `stack.yaml`.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from spotify_pipeline.errors import FixConfiguration, RetryLater
from spotify_pipeline.provision.change_set import Change, ChangeSet, change_of
from spotify_pipeline.provision.stack_troubles import STACK, explained, failures, objections

TEMPLATE = Path(__file__).with_name("stack.yaml")

_UNCHANGED = ("didn't contain changes", "No updates are to be performed")
_HOLDS_NOTHING = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE")
_RESTS = {
    "ROLLBACK_COMPLETE": "what is left of a creation that failed",
    "ROLLBACK_FAILED": "what is left of a creation that failed",
    "DELETE_FAILED": "what is left of a deletion that failed",
}
"""States in which CloudFormation lets a stack only be deleted."""
_WAYS: Mapping[str, Mapping[str, Any]] = {
    # A bucket that an earlier stack left behind is taken up again.
    "CREATE": {"ImportExistingResources": True},
    # What was changed by hand is undone.
    "UPDATE": {"DeploymentMode": "REVERT_DRIFT"},
}


@dataclass(frozen=True)
class Stack:
    """One stack; `client` is boto3's CloudFormation client. Waits `wait_seconds` for each step, and
    looks every `poll_seconds`."""

    client: Any
    name: str
    wait_seconds: float = 1800
    poll_seconds: float = 2
    sleep: Callable[[float], None] = time.sleep

    def outputs(self) -> Mapping[str, str] | None:
        """What the stack tells of what it made; nothing if no stack holds anything."""
        found = self._holding()
        if found is None:
            return None
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}

    def parameters(self) -> Mapping[str, str]:
        """What it was last made with; nothing if no stack holds anything."""
        found = self._holding() or {}
        return {
            each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", ())
        }

    def is_foreign(self) -> bool:
        """Whether a stack of this name holds something, and was made from another template."""
        return self._holding() is not None and "SnowflakeExternalId" not in self.parameters()

    def resources(self) -> list[tuple[str, str]]:
        """Name and kind of what it holds."""
        if self._found() is None:
            return []
        with explained(self.name):
            pages = self.client.get_paginator("list_stack_resources").paginate(StackName=self.name)
            return [
                (each["LogicalResourceId"], each["ResourceType"])
                for page in pages
                for each in page["StackResourceSummaries"]
                if each["ResourceStatus"] != "DELETE_COMPLETE"
            ]

    def plan(self, parameters: Mapping[str, str]) -> ChangeSet | None:
        """The change that makes the stack what template and parameters say, and undoes what was
        changed by hand since; nothing if it is that already.

        Raises `RetryLater` while somebody else changes it.
        """
        found = self._found()
        status = found["StackStatus"] if found else ""
        if status in _RESTS:
            return self._plan_anew(status, parameters)
        return self._plan(self._kind_of_change(status), parameters)

    def apply(self, change_set: ChangeSet) -> Mapping[str, str]:
        """Does it; the stack's outputs. Raises with the reasons of all resources that failed."""
        if not change_set.id:
            return self._make_anew(change_set.parameters)
        with explained(self.name):
            self.client.execute_change_set(ChangeSetName=change_set.id)
            found = self._settled()
        if found["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
            return self.outputs() or {}
        raise FixConfiguration(
            f"CloudFormation could not change the stack {self.name} and took everything back "
            f"({found['StackStatus']}):\n{self._failures()}\nMend that and run it again."
        )

    def discard(self, change_set: ChangeSet) -> None:
        """Forgets a plan; a stack that was only planned goes with it, unless somebody else plans it
        too."""
        if not change_set.id:
            return
        with explained(self.name):
            self.client.delete_change_set(ChangeSetName=change_set.id)
            found = self._found()
            if found and found["StackStatus"] == "REVIEW_IN_PROGRESS" and not self._is_planned():
                self.client.delete_stack(StackName=self.name)
                # Else the next plan would meet it, and take it for somebody else's doing.
                self._settled()

    def delete(self) -> None:
        """Takes away all that it made, but for what its template says to keep."""
        with explained(self.name):
            if self._found() is None:
                return
            self.client.delete_stack(StackName=self.name)
            found = self._settled()
        if found["StackStatus"] not in ("DELETE_COMPLETE", ""):
            raise FixConfiguration(
                f"CloudFormation could not delete the stack {self.name} "
                f"({found['StackStatus']}):\n{self._failures()}\nMend that and run it again."
            )

    def _plan(self, kind: str, parameters: Mapping[str, str]) -> ChangeSet | None:
        """Plans a CREATE or an UPDATE."""
        with explained(self.name):
            made = self.client.create_change_set(
                StackName=self.name,
                ChangeSetName=f"spotify-pipeline-{uuid4().hex[:12]}",
                ChangeSetType=kind,
                TemplateBody=_template(parameters),
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value}
                    for key, value in parameters.items()
                ],
                Capabilities=["CAPABILITY_NAMED_IAM"],
                **_WAYS[kind],
            )["Id"]
            planned = self._until(
                lambda: self.client.describe_change_set(ChangeSetName=made),
                lambda found: found["Status"] in ("CREATE_COMPLETE", "FAILED"),
            )
        if planned["Status"] == "CREATE_COMPLETE":
            return ChangeSet(made, self._changes(made))
        reason = planned.get("StatusReason", "")
        is_unchanged = any(words in reason for words in _UNCHANGED)
        against = [] if is_unchanged else objections(self.client, self.name, made)
        self.discard(ChangeSet(made, ()))
        if is_unchanged:
            return None
        said = "\n".join([reason, *against])
        raise FixConfiguration(
            f"CloudFormation can't plan the stack {self.name}: {said}\nNothing was done."
        )

    def _changes(self, change_set: str) -> list[Change]:
        with explained(self.name):
            pages = self.client.get_paginator("describe_change_set").paginate(
                ChangeSetName=change_set, IncludePropertyValues=True
            )
            return [change_of(each) for page in pages for each in page["Changes"]]

    def _plan_anew(self, status: str, parameters: Mapping[str, str]) -> ChangeSet:
        """What is left is to be deleted, then all is to be made."""
        deleted = Change("Delete", _RESTS[status], STACK, is_replaced=False)
        if status not in _HOLDS_NOTHING:
            # What it still holds is in the way of a plan for another stack.
            made = Change("Add", "all that the template says", STACK, is_replaced=False)
            return ChangeSet("", [deleted, made], parameters)
        beside = replace(self, name=f"{self.name}-plan-{uuid4().hex[:8]}")
        planned = beside._plan("CREATE", parameters) or ChangeSet("", ())
        beside.discard(planned)
        return ChangeSet("", [deleted, *planned.changes], parameters)

    def _make_anew(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        self.delete()
        planned = self._plan("CREATE", parameters)
        if planned is None:
            return {}
        outputs = self.apply(planned)
        if all(change.action != "Import" for change in planned.changes):
            return outputs
        # The plan that was looked at may not have known of it: what is taken up is set at once.
        again = self.plan(parameters)
        return self.apply(again) if again else outputs

    def _kind_of_change(self, status: str) -> str:
        """CREATE or UPDATE."""
        if status in ("", "REVIEW_IN_PROGRESS"):
            return "CREATE"
        if status.endswith("IN_PROGRESS"):
            raise RetryLater(
                f"The stack {self.name} is being changed by somebody else ({status}). Nothing was "
                f"done. Run it again when that is over."
            )
        if status == "UPDATE_ROLLBACK_FAILED":
            raise FixConfiguration(
                f"The stack {self.name} is stuck in {status}:\n{self._failures()}\nMend that, then "
                f"aws cloudformation continue-update-rollback --stack-name {self.name}"
            )
        return "UPDATE"

    def _is_planned(self) -> bool:
        """Whether somebody has a plan for it."""
        pages = self.client.get_paginator("list_change_sets").paginate(StackName=self.name)
        return any(page["Summaries"] for page in pages)

    def _failures(self) -> str:
        return failures(self.client, self.name)

    def _found(self) -> Mapping[str, Any] | None:
        with explained(self.name):
            try:
                [found] = self.client.describe_stacks(StackName=self.name)["Stacks"]
            except ClientError as error:
                if "does not exist" in str(error):
                    return None
                raise
        return None if found["StackStatus"] == "DELETE_COMPLETE" else found

    def _holding(self) -> Mapping[str, Any] | None:
        """The stack, if it may hold anything."""
        found = self._found()
        return None if found is None or found["StackStatus"] in _HOLDS_NOTHING else found

    def _settled(self) -> Mapping[str, Any]:
        gone = {"StackStatus": ""}
        return self._until(
            lambda: self._found() or gone,
            lambda found: not found["StackStatus"].endswith("IN_PROGRESS"),
        )

    def _until(
        self,
        look: Callable[[], Mapping[str, Any]],
        is_over: Callable[[Mapping[str, Any]], bool],
    ) -> Mapping[str, Any]:
        deadline = time.monotonic() + self.wait_seconds
        while not is_over(found := look()):
            if time.monotonic() > deadline:
                raise RetryLater(
                    f"CloudFormation has been at the stack {self.name} for "
                    f"{self.wait_seconds / 60:.0f} minutes. It goes on by itself; run this again "
                    f"when it is over."
                )
            self.sleep(self.poll_seconds)
        return found


def _template(parameters: Mapping[str, str]) -> str:
    """The template with the bucket's name in it: CloudFormation finds a bucket that is there by a
    name that is written out, and by no other."""
    name, template = "BucketName: !Ref BucketName", TEMPLATE.read_text()
    if template.count(name) != 1:
        raise ValueError(f"{TEMPLATE.name} has to say {name!r} once: the name is put in there.")
    return template.replace(name, f"BucketName: {json.dumps(parameters['BucketName'])}")
