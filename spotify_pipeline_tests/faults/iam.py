"""Who may do what by the policies of `stack.yaml`: a small evaluator of IAM's, without an account.

It knows what the template uses (Allow statements, wildcards, StringLike on `s3:prefix`) and raises
for anything else, so that a policy that it can't judge passes no test.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import yaml

from spotify_pipeline.provision.stack import TEMPLATE

ACCOUNT, REGION, STACK, BUCKET, SECRET = "000000000000", "eu-west-1", "playlists", "lake", "spotify"


class _Loader(yaml.SafeLoader):
    """Reads `!Sub x` as {"Sub": x}."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    raise ValueError(f"!{suffix} of something else")


_Loader.add_multi_constructor("!", _short_form)


@dataclass(frozen=True)
class Statement:
    """What an Allow statement allows; `prefixes` is None where it asks for none."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    prefixes: tuple[str, ...] | None

    def allows(self, action: str, resource: str, prefix: str | None) -> bool:
        return (
            any(fnmatchcase(action.lower(), each.lower()) for each in self.actions)
            and any(fnmatchcase(resource, each) for each in self.resources)
            and (
                self.prefixes is None
                or (prefix is not None and any(fnmatchcase(prefix, p) for p in self.prefixes))
            )
        )


@dataclass(frozen=True)
class Role:
    """A role by its name in the template."""

    name: str
    statements: tuple[Statement, ...]
    trusts: tuple[Mapping[str, Any], ...]

    def may(self, action: str, resource: str, prefix: str | None = None) -> bool:
        return any(each.allows(action, resource, prefix) for each in self.statements)


def roles(lake_prefix: str = "team/") -> dict[str, Role]:
    """All roles of the template, the Lambda function's too, for a lake at this prefix."""
    resources = yaml.load(TEMPLATE.read_text(), _Loader)["Resources"]
    kinds = {resource["Type"] for resource in resources.values()}
    assert not kinds & {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}
    return {
        name: _role(name, resource["Properties"], _names(lake_prefix))
        for name, resource in resources.items()
        if resource["Type"] == "AWS::IAM::Role"
    }


def _names(lake_prefix: str) -> Mapping[str, str]:
    """What the template's references stand for."""
    return {
        "AWS::StackName": STACK,
        "AWS::AccountId": ACCOUNT,
        "AWS::Region": REGION,
        "AWS::Partition": "aws",
        "LakePrefix": lake_prefix,
        "LambdaSecret": SECRET,
        "Bucket": BUCKET,
        "Bucket.Arn": f"arn:aws:s3:::{BUCKET}",
        "LambdaLogs.Arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{STACK}:*",
    }


def _role(name: str, properties: Mapping[str, Any], names: Mapping[str, str]) -> Role:
    assert "ManagedPolicyArns" not in properties
    statements = (
        # With a Lambda function, and so with all that there is.
        _statement(told["If"][1] if "If" in told else told, names)
        for policy in properties["Policies"]
        for told in policy["PolicyDocument"]["Statement"]
    )
    trusts = properties["AssumeRolePolicyDocument"]["Statement"]
    return Role(name, tuple(statements), tuple(trusts))


def _statement(told: Mapping[str, Any], names: Mapping[str, str]) -> Statement:
    assert told.keys() <= {"Effect", "Action", "Resource", "Condition"}, told
    assert told["Effect"] == "Allow"
    prefixes = None
    if condition := told.get("Condition"):
        [(operator, asked)] = condition.items()
        assert (operator, list(asked)) == ("StringLike", ["s3:prefix"]), condition
        prefixes = tuple(_resolved(each, names) for each in _listed(asked["s3:prefix"]))
    resources = (_resolved(each, names) for each in _listed(told["Resource"]))
    return Statement(tuple(_listed(told["Action"])), tuple(resources), prefixes)


def _resolved(value: Any, names: Mapping[str, str]) -> str:
    if isinstance(value, str):
        return value
    [(function, inner)] = value.items()
    if function == "GetAtt":
        return names[inner]
    assert function == "Sub", value
    for name, text in names.items():
        inner = inner.replace(f"${{{name}}}", text)
    # No [, which is all that fnmatch knows and IAM doesn't.
    assert not set("$[") & set(inner), inner
    return str(inner)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
