"""MiniStack, mended where it does less than AWS with what our template makes.

Runs in MiniStack's environment, started by `ministack`. It takes hold of private functions of the
release that the Makefile pins; what is not mended here is listed in `ministack`.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from xml.etree.ElementTree import Element, fromstring, tostring

from ministack.app import main  # type: ignore[import-not-found]
from ministack.core.responses import json_response  # type: ignore[import-not-found]
from ministack.services import cloudwatch_logs, glue, iam, s3  # type: ignore[import-not-found]
from ministack.services.cloudformation import (  # type: ignore[import-not-found]
    _change_sets,
    changesets,
    engine,
    handlers,
    provisioners,
    stacks,
)

from spotify_pipeline_tests.emulators import ministack_drift

Json = Mapping[str, Any]

# Since Glue 5.0.
_JOB_DEFAULTS = {"ExecutionProperty": {"MaxConcurrentRuns": 1}, "MaxRetries": 0, "Timeout": 480}

# What S3 says of a bucket's encryption since April 2026, also where nobody said it.
_SINCE_APRIL = {
    "BucketKeyEnabled": False,
    "BlockedEncryptionTypes": {"EncryptionType": "SSE-C"},
}

# As CloudFormation calls it, and as S3 does.
_S3_NAMES = {
    "ServerSideEncryptionConfiguration": "Rule",
    "ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault",
    "Rules": "Rule",
}


def _keep_all_of_a_job() -> None:
    """A Glue job has what it was made with, and an update takes the place of all of it."""
    create, update = glue._create_job, glue._update_job

    def create_job(job: Json) -> Any:
        answer = create(job)
        if answer[0] == 200:
            made = glue._jobs[job["Name"]]
            times = {name: made[name] for name in ("CreatedOn", "LastModifiedOn")}
            glue._jobs[job["Name"]] = {**_JOB_DEFAULTS, **job, **times}
        return answer

    def update_job(request: Json) -> Any:
        if request["JobName"] not in glue._jobs:
            return update(request)  # which refuses
        before = glue._jobs.pop(request["JobName"])
        create_job({"Name": before["Name"], **request["JobUpdate"]})
        glue._jobs[before["Name"]]["CreatedOn"] = before["CreatedOn"]
        return json_response({"JobName": before["Name"]})

    glue._create_job, glue._update_job = create_job, update_job
    provisioners._GLUE_JOB_DEFAULTS["ExecutionProperty"] = _JOB_DEFAULTS["ExecutionProperty"]


def _make_all_settings_of_a_bucket() -> None:
    """Encryption, ownership, lifecycle and tags of a bucket come from the template too."""
    provisioners._S3_BUCKET_CONFIGURATIONS += (
        (
            "Tags",
            lambda given: _xml("Tagging", {"TagSet": {"Tag": given}}),
            _obeyed(s3._put_bucket_tagging),
            s3._delete_bucket_tagging,
        ),
        (
            "BucketEncryption",
            _encryption,
            _obeyed(s3._put_bucket_encryption),
            s3._delete_bucket_encryption,
        ),
        (
            "OwnershipControls",
            lambda given: _xml("OwnershipControls", given),
            _obeyed(s3._put_bucket_ownership_controls),
            s3._delete_bucket_ownership_controls,
        ),
        (
            "LifecycleConfiguration",
            _lifecycle,
            _obeyed(s3._put_bucket_lifecycle),
            s3._delete_bucket_lifecycle,
        ),
    )


def _encryption(given: Json) -> bytes:
    [rule] = given["ServerSideEncryptionConfiguration"]
    return _xml("ServerSideEncryptionConfiguration", {"Rule": rule})


def _say_all_of_encryption() -> None:
    """S3 adds to what it is given what it does besides."""
    put = s3._put_bucket_encryption

    def put_bucket_encryption(bucket: str, body: bytes) -> Any:
        document = fromstring(body)
        namespace = document.tag.rpartition("}")[0] + "}" if "}" in document.tag else ""
        [rule] = document.findall(f"{namespace}Rule")
        for name, content in _SINCE_APRIL.items():
            if rule.find(f"{namespace}{name}") is None:
                rule.append(_element(name, content))
        return put(bucket, tostring(document))

    s3._put_bucket_encryption = put_bucket_encryption


def _lifecycle(given: Json) -> bytes:
    """Of a rule's conditions only the prefix, and of its ends only those after days."""
    rules = []
    for rule in map(dict, given["Rules"]):
        renamed = {"ID": rule.pop("Id"), "Filter": {}}
        if "Prefix" in rule:
            renamed["Filter"] = {"Prefix": rule.pop("Prefix")}
        if "ExpirationInDays" in rule:
            renamed["Expiration"] = {"Days": rule.pop("ExpirationInDays")}
        rules.append({**renamed, **rule})
    return _xml("LifecycleConfiguration", {"Rules": rules})


def _xml(tag: str, content: Json) -> bytes:
    body: bytes = tostring(_element(tag, content))
    return body


def _element(tag: str, content: Any) -> Element:
    element = Element(_S3_NAMES.get(tag, tag))
    if not isinstance(content, Mapping):
        element.text = str(content).lower() if isinstance(content, bool) else str(content)
        return element
    for name, value in content.items():
        for each in value if isinstance(value, list) else [value]:
            element.append(_element(name, each))
    return element


def _obeyed(put: Callable[[str, bytes], tuple[int, Any, bytes]]) -> Callable[[str, bytes], None]:
    """A setting that S3 refuses fails the bucket."""

    def put_or_raise(bucket: str, body: bytes) -> None:
        status, _, said = put(bucket, body)
        if status >= 400:
            raise ValueError(f"S3 refuses: {said!r}")

    return put_or_raise


def _take_back_a_bucket_that_failed() -> None:
    """Nothing is left of a bucket whose settings were refused."""
    bucket = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    create = bucket["create"]

    def create_bucket(*call: Any) -> Any:
        before = set(s3._buckets)
        with ExitStack() as undo:
            undo.callback(lambda: [bucket["delete"](name, {}) for name in {*s3._buckets} - before])
            made = create(*call)
            undo.pop_all()
        return made

    bucket["create"] = create_bucket


def _refuse_a_name_that_is_taken(kind: str, name_of: str, there: Mapping[str, Any]) -> None:
    """What somebody else made is not taken over without a word."""
    handler = provisioners._RESOURCE_HANDLERS[kind]
    create = handler["create"]

    def create_anew(logical_id: str, properties: Json, stack: str) -> Any:
        if (name := properties.get(name_of)) in there:
            raise ValueError(f"Resource of type '{kind}' with identifier '{name}' already exists.")
        return create(logical_id, properties, stack)

    handler["create"] = create_anew


def _join_in_conditions() -> None:
    """A condition may compare texts that are joined."""
    evaluate = engine._evaluate_conditions

    def joined(value: Any, parameters: Json) -> Any:
        if isinstance(value, list):
            return [joined(each, parameters) for each in value]
        if not isinstance(value, Mapping):
            return value
        if "Fn::Join" in value:
            return engine._resolve_refs(value, {}, parameters, {}, {}, "", "")
        return {name: joined(each, parameters) for name, each in value.items()}

    def evaluate_joined(template: Json, parameters: Json) -> Any:
        conditions = joined(template.get("Conditions", {}), parameters)
        return evaluate({**template, "Conditions": conditions}, parameters)

    for module in (changesets, engine, handlers, stacks):
        module._evaluate_conditions = evaluate_joined


def _plan_only_what_is_to_be_there() -> None:
    """A resource whose condition does not hold is none that changes."""
    resolve = changesets._resolve_props_for_diff

    def resolve_what_is_to_be_there(template: Json, parameters: Json, *more: Any) -> Json:
        resolved = resolve(template, parameters, *more)
        holds = engine._evaluate_conditions(template, parameters)
        resources = {
            logical_id: resource
            for logical_id, resource in resolved.get("Resources", {}).items()
            if holds.get(resource.get("Condition"), True)
        }
        return {"Resources": resources}

    changesets._resolve_props_for_diff = resolve_what_is_to_be_there


def _adopt_what_is_to_be_imported() -> None:
    """That a bucket is there already is no objection where the change set imports it."""
    find_errors = stacks._validation_errors

    def validation_errors(*call: Any) -> list[tuple[str, ...]]:
        resources, *_ = call
        adopted = {
            logical_id
            for change_set in _change_sets.values()
            if change_set["ExecutionStatus"] == "EXECUTE_IN_PROGRESS"
            and change_set["_template"]["Resources"] is resources
            for logical_id in change_set["_import_existing"]
        }
        return [error for error in find_errors(*call) if error[0] not in adopted]

    stacks._validation_errors = validation_errors


if __name__ == "__main__":
    _keep_all_of_a_job()
    _say_all_of_encryption()
    _make_all_settings_of_a_bucket()
    _take_back_a_bucket_that_failed()
    _refuse_a_name_that_is_taken("AWS::IAM::Role", "RoleName", iam._roles)
    _refuse_a_name_that_is_taken("AWS::Logs::LogGroup", "LogGroupName", cloudwatch_logs._log_groups)
    _join_in_conditions()
    _plan_only_what_is_to_be_there()
    _adopt_what_is_to_be_imported()
    ministack_drift.install()
    main()
