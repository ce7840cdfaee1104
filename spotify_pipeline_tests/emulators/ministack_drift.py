"""Change sets of MiniStack that undo what was changed by hand (DeploymentMode=REVERT_DRIFT).

As AWS has it since November 2025. MiniStack can say what differs from the template, for some kinds
of resources; here are the others that our template has, and what its change sets make of that. A
resource that differs is compared as it is with the new template, not as it was last made. One that
is gone is made again. Of each resource only what the template says is looked at.

What AWS doesn't see is not seen here: a bucket's policy, and policies that somebody else gave to a
role. That AWS sees the rest, among it a Glue job, a rule and a function's permission that are gone,
its documentation promises; in a real account it was not tried.

AWS tells the live values; here a setting of a bucket that differs is only missing. What was changed
by hand into what the new template says is SyncWithActual on AWS, and here no change.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from unittest import mock
from xml.etree.ElementTree import Element, fromstring

from ministack.services import (  # type: ignore[import-not-found]
    eventbridge,
    glue,
    iam,
    lambda_svc,
    s3,
)
from ministack.services.cloudformation import (  # type: ignore[import-not-found]
    _stacks,
    changesets,
    drift,
    handlers,
    provisioners,
)

Json = dict[str, Any]

_REVERT_DRIFT = "REVERT_DRIFT"
_BUCKET_SETTINGS = {
    "BucketEncryption": s3._get_bucket_encryption,
    "LifecycleConfiguration": s3._get_bucket_lifecycle,
    "NotificationConfiguration": s3._get_bucket_notification,
    "OwnershipControls": s3._get_bucket_ownership_controls,
    "PublicAccessBlockConfiguration": s3._get_public_access_block,
}


def install() -> None:
    """Lets MiniStack do all that; its handlers of these calls are wrapped."""
    for kind, read, more in (
        ("AWS::S3::Bucket", _bucket, _BUCKET_SETTINGS),
        ("AWS::IAM::Role", _role, ("Policies",)),
        ("AWS::Events::Rule", _rule, ("State", "ScheduleExpression", "Targets")),
        ("AWS::Lambda::Permission", _permission, ()),
        ("AWS::Glue::Job", _job, ("Role", "Command", *provisioners._GLUE_JOB_DEFAULTS)),
    ):
        _, known = drift._DRIFT_READERS.get(kind, (None, frozenset()))
        drift._DRIFT_READERS[kind] = (read, known.union(more))
    calls = handlers._ACTION_HANDLERS
    calls["CreateChangeSet"] = partial(_create_change_set, calls["CreateChangeSet"])
    calls["ExecuteChangeSet"] = partial(_execute_change_set, calls["ExecuteChangeSet"])


# What is there, in the words of the template; None for what is gone


def _bucket(name: str, properties: Json) -> Json | None:
    found: Json | None = drift._read_s3_bucket(name, properties)
    if found is None:
        return None
    to_xml = {setting: of for setting, of, *_ in provisioners._S3_BUCKET_CONFIGURATIONS}
    to_xml["NotificationConfiguration"] = provisioners._s3_notification_json_to_xml
    for setting, get in _BUCKET_SETTINGS.items():
        if setting in properties:
            _, _, body = get(name)
            wanted = fromstring(to_xml[setting](properties[setting]))
            if _content(fromstring(body)) == _content(wanted):
                found[setting] = properties[setting]
    return found


def _content(element: Element) -> tuple[str, str, list[Any]]:
    """What a document of S3 says, without its order and the ids that S3 gives by itself."""
    children = [_content(child) for child in element if not child.tag.endswith("}Id")]
    return element.tag.rpartition("}")[2], (element.text or "").strip(), sorted(children)


def _role(name: str, properties: Json) -> Json | None:
    found: Json | None = drift._read_iam_role(name, properties)
    if found is not None:
        inline = iam._roles[name]["InlinePolicies"]
        named = [policy["PolicyName"] for policy in properties.get("Policies", ())]
        found["Policies"] = [
            {"PolicyName": policy, "PolicyDocument": json.loads(inline[policy])}
            for policy in named
            if policy in inline
        ]
    return found


def _rule(name: str, properties: Json) -> Json | None:
    key = eventbridge._rule_key(name, "default")
    rule: Json | None = eventbridge._rules.get(key)
    return None if rule is None else {**rule, "Targets": eventbridge._targets.get(key, [])}


def _permission(_: str, properties: Json) -> Json | None:
    function = lambda_svc._functions.get(properties["FunctionName"])
    statements = function["policy"]["Statement"] if function else ()
    asked = (properties["Principal"], properties["SourceArn"])
    return {} if asked in map(_allowed, statements) else None


def _allowed(statement: Json) -> tuple[str, str]:
    """Who may call the function, from where."""
    principal, condition = statement["Principal"], statement.get("Condition", {})
    return principal["Service"], condition.get("ArnLike", {}).get("AWS:SourceArn", "")


def _job(name: str, _: Json) -> Json | None:
    found: Json | None = glue._jobs.get(name)
    return found


# Change sets


def _create_change_set(create: Callable[[Json], Any], parameters: Json) -> Any:
    stack = handlers._resolve_stack(changesets._p(parameters, "StackName"))
    if not stack or changesets._p(parameters, "DeploymentMode") != _REVERT_DRIFT:
        return create(parameters)
    compare = partial(_compare, changesets._diff_resources, _drifts(stack))
    with mock.patch.object(changesets, "_diff_resources", compare):
        answer = create(parameters)
    name = changesets._p(parameters, "ChangeSetName")
    _, made = changesets._find_change_set(name, stack["StackName"])
    if made:
        made["DeploymentMode"] = _REVERT_DRIFT
    return answer


def _execute_change_set(execute: Callable[[Json], Any], parameters: Json) -> Any:
    asked = [changesets._p(parameters, name) for name in ("ChangeSetName", "StackName")]
    _, planned = changesets._find_change_set(*asked)
    if planned and planned.get("DeploymentMode") == _REVERT_DRIFT:
        # The stack learns what is there; what then has to be done MiniStack finds by itself.
        stack = _stacks[planned["StackName"]]
        stack["_resources"] = _as_they_are(stack["_resources"], _drifts(stack))
    return execute(parameters)


def _drifts(stack: Json) -> dict[str, Json]:
    """What differs from what was last made, by logical id."""
    found = {
        logical_id: drift.detect_resource_drift(stack, logical_id, resource, "")
        for logical_id, resource in stack["_resources"].items()
        if drift.supports_drift(resource["ResourceType"])
    }
    differs = ("MODIFIED", "DELETED")
    return {
        logical_id: each
        for logical_id, each in found.items()
        if each["StackResourceDriftStatus"] in differs
    }


def _as_they_are(resources: Mapping[str, Json], drifts: Mapping[str, Json]) -> dict[str, Json]:
    """Resources with the properties that they have, without those that are gone."""
    return {
        logical_id: _as_it_is(resource, drifts.get(logical_id))
        for logical_id, resource in resources.items()
        if drifts.get(logical_id, {}).get("StackResourceDriftStatus") != "DELETED"
    }


def _as_it_is(resource: Json, found: Json | None) -> Json:
    if found is None:
        return resource
    actual = json.loads(found["ActualProperties"])
    differing = {each["PropertyPath"].split("/")[1] for each in found["PropertyDifferences"]}
    kept = {
        name: resource["Properties"][name] for name in resource["Properties"].keys() - differing
    }
    return resource | {
        "Properties": kept | {name: actual[name] for name in differing & actual.keys()}
    }


def _compare(
    diff: Callable[..., list[Json]], drifts: Mapping[str, Json], old: Json, new: Json, *more: Any
) -> list[Json]:
    """The changes between two templates, of which the old one is what is there."""
    return diff({"Resources": _as_they_are(old["Resources"], drifts)}, new, *more)
