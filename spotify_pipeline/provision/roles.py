"""The stack's roles in AWS: whether they are there, and what CloudFormation doesn't see of them."""

from spotify_pipeline.provision.aws import Aws, explained

_POLICIES = {
    "snowflake": "reads-csv",
    "glue": "makes-batches",
    "dagster": "runs-the-pipeline",
    "lambda": "captures",
}
"""What `stack.yaml` gives to each, by what its name ends with."""


def has_role(aws: Aws, arn: str) -> bool:
    """Roles are the account's, stacks are a region's."""
    iam = aws.client("iam")
    with explained(f"iam:GetRole of {arn}"):
        try:
            iam.get_role(RoleName=arn.rsplit("/", 1)[1])
        except iam.exceptions.NoSuchEntityException:
            return False
    return True


def foreign_policies(aws: Aws, stack: str) -> list[str]:
    """A line for each policy that somebody else gave to a role of the stack; CloudFormation sees
    only its own."""
    iam, found = aws.client("iam"), []
    for ending, own in _POLICIES.items():
        role = f"{stack}-{ending}"
        with explained(f"looking at the policies of {role}"):
            try:
                attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
                inline = iam.list_role_policies(RoleName=role)["PolicyNames"]
            except iam.exceptions.NoSuchEntityException:
                continue
        policies = [each["PolicyName"] for each in attached] + [n for n in inline if n != own]
        found += [f"The role {role} also has the policy {policy}" for policy in policies]
    return found
