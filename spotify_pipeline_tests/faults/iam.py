"""Who may do what by the policies of `stack.yaml`: a small evaluator of IAM's, without an account.

It knows what the template uses (Allow statements, wildcards, StringLike on `s3:prefix`) and raises
for anything else, so that a policy that it can't judge passes no test.
"""

from collections.abc import Iterator, Mapping
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
    # The template's patterns hold no [, which is all that fnmatch knows and IAM doesn't.
    text = TEMPLATE.read_text()
    resources = yaml.load(text, _Loader)["Resources"]
    names = {
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

    def resolved(value: Any) -> str:
        if isinstance(value, str):
            return value
        [(function, inner)] = value.items()
        if function == "GetAtt":
            return names[inner]
        if function == "Ref":
            return names.get(inner, f"<{inner}>")
        assert function == "Sub", value
        for name, text in names.items():
            inner = inner.replace(f"${{{name}}}", text)
        assert "${" not in inner, inner
        return str(inner)

    def statements(document: Mapping[str, Any]) -> Iterator[Statement]:
        for each in document["Statement"]:
            told = each["If"][1] if "If" in each else each  # with a Lambda function: all there is
            assert told.keys() <= {"Effect", "Action", "Resource", "Condition"}, told
            assert told["Effect"] == "Allow"
            prefixes = None
            if condition := told.get("Condition"):
                [(operator, [(key, pattern)])] = [
                    (operator, list(keys.items())) for operator, keys in condition.items()
                ]
                assert (operator, key) == ("StringLike", "s3:prefix"), condition
                prefixes = tuple(map(resolved, _listed(pattern)))
            yield Statement(
                tuple(_listed(told["Action"])),
                tuple(map(resolved, _listed(told["Resource"]))),
                prefixes,
            )

    found = {}
    for name, resource in resources.items():
        if resource["Type"] == "AWS::IAM::Role":
            properties = resource["Properties"]
            assert "ManagedPolicyArns" not in properties
            found[name] = Role(
                name,
                tuple(
                    statement
                    for policy in properties["Policies"]
                    for statement in statements(policy["PolicyDocument"])
                ),
                tuple(properties["AssumeRolePolicyDocument"]["Statement"]),
            )
        assert resource["Type"] not in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"), name
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
