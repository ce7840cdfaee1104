"""What CloudFormation says went wrong: a call that it refuses, a resource that failed, and why.

Here belongs what is asked and told after something failed; what is done is in `stack`.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater

STACK = "AWS::CloudFormation::Stack"

_BEGINNINGS = tuple(f"{what}_IN_PROGRESS" for what in ("CREATE", "UPDATE", "DELETE", "IMPORT"))
_UNKNOWN = ("InvalidAction", "UnknownOperationException", "NotImplemented")
"""How a stand-in says that it doesn't know a call."""


def failures(client: Any, name: str) -> str:
    """What failed in the last operation on the stack, first things first, and why, a line each;
    cancelled resources only follow."""
    events = _last_operation(client, name)
    begun = events[-1]["Timestamp"] if events else None
    # What was found before anything was made.
    checked = [
        event
        for event in _failed_events(client, name, StackName=name)
        if begun is None or event.get("Timestamp", begun) >= begun
    ]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    # Of the stack itself it only says that something in it failed.
    of_resources = [
        event
        for event in reversed([*failed, *checked])
        if event.get("LogicalResourceId") not in (None, name)
    ]
    return "\n".join(_told(of_resources)) or "  it doesn't say why"


def objections(client: Any, name: str, change_set: str) -> list[str]:
    """What it has against a plan, a line each."""
    return _told(_failed_events(client, name, ChangeSetName=change_set))


def _last_operation(client: Any, name: str) -> list[Mapping[str, Any]]:
    """The events since somebody last began something, newest first."""
    events: list[Mapping[str, Any]] = []
    with explained(name):
        pages = client.get_paginator("describe_stack_events").paginate(StackName=name)
        for event in (each for page in pages for each in page["StackEvents"]):
            events.append(event)
            if _begins(event, name):
                break
    return events


def _begins(event: Mapping[str, Any], name: str) -> bool:
    """Whether it is the first event of an operation on the stack itself."""
    return (
        event["ResourceType"] == STACK
        and event["LogicalResourceId"] == name
        and event["ResourceStatus"] in _BEGINNINGS
        and event.get("ResourceStatusReason", "") in ("", "User Initiated")
    )


def _failed_events(client: Any, name: str, **of: str) -> list[Mapping[str, Any]]:
    """What CloudFormation found wrong by itself; nothing where it doesn't tell, for it is asked
    only when something else has failed already."""
    with explained(name):
        try:
            pages = client.get_paginator("describe_events").paginate(
                **of, Filters={"FailedEvents": True}
            )
            return [event for page in pages for event in page["OperationEvents"]]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code.startswith("AccessDenied") or code in _UNKNOWN:
                return []
            raise


def _told(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each that says why; warnings and what was only cancelled are none."""
    lines = []
    for event in events:
        reason = _reason(event)
        is_warning = "WARN" in (event.get("ValidationFailureMode"), event.get("HookFailureMode"))
        if reason and not is_warning and "cancelled" not in reason.lower():
            lines.append(f"  {event.get('LogicalResourceId', 'the stack')}: {reason}")
    return list(dict.fromkeys(lines))


def _reason(event: Mapping[str, Any]) -> str:
    kinds = ("ValidationStatusReason", "HookStatusReason", "ResourceStatusReason")
    return next((event[kind] for kind in kinds if event.get(kind)), "")


@contextlib.contextmanager
def explained(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _explanation(name, error) from error
    except BotoCoreError as error:
        raise RetryLater(
            f"CloudFormation doesn't answer: {error} Nothing is lost: run it again. If it never "
            f"answered, look at AWS_PROFILE and AWS_DEFAULT_REGION."
        ) from error


def _explanation(name: str, error: ClientError) -> PipelineError:
    code, said = error.response["Error"]["Code"], error.response["Error"]["Message"]
    if code in ("Throttling", "ServiceUnavailable", "InternalFailure"):
        return RetryLater(f"CloudFormation is busy ({code}): {said} Run it again.")
    if code in ("ChangeSetNotFound", "InvalidChangeSetStatus"):
        return RetryLater(
            f"The stack {name} was changed by somebody else at the same time ({code}): {said} "
            f"Run it again."
        )
    if code.startswith("AccessDenied"):
        return FixConfiguration(
            f"CloudFormation refuses ({code}) for the stack {name}: {said} Look at AWS_PROFILE, or "
            f"have who is signed in given what docs/aws.md lists."
        )
    return FixConfiguration(f"CloudFormation refuses ({code}) for the stack {name}: {said}")
