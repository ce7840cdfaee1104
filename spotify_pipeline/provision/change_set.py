"""What a change of the CloudFormation stack would do, as it is shown before it is done.

Here belongs what is told of a change; how one is planned and made is in `stack`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_LONG = 60


@dataclass(frozen=True)
class Change:
    """What becomes of one resource: `action` is Add, Modify, Remove, Import, or SyncWithActual
    where it is already as the template has come to say; Delete of what is left of a stack.
    `details` are what becomes of which property, as far as CloudFormation tells."""

    action: str
    resource: str
    kind: str
    is_replaced: bool
    details: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        again = " (made anew)" if self.is_replaced else ""
        return f"{self.action} {self.resource}{again}  {self.kind}"


@dataclass(frozen=True)
class ChangeSet:
    """What a change would do; nothing is done yet. Without an id where something is in the way that
    has to be deleted first: then it is made with the `parameters`."""

    id: str
    changes: Sequence[Change]
    parameters: Mapping[str, str] = field(default_factory=dict)


def change_of(told: Mapping[str, Any]) -> Change:
    resource = told["ResourceChange"]
    return Change(
        resource["Action"],
        resource["LogicalResourceId"],
        resource["ResourceType"],
        resource.get("Replacement") == "True",
        _details(resource.get("Details", ())),
    )


def _details(told: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Where something was and where it comes to be; the same may be told for several causes."""
    targets = [each.get("Target", {}) for each in told]
    lines = (
        f"{_place(target)}: {_short(target.get('BeforeValue'))} → "
        f"{_short(target.get('AfterValue'))}"
        for target in targets
        if "BeforeValue" in target or "AfterValue" in target
    )
    return tuple(dict.fromkeys(lines))


def _place(target: Mapping[str, Any]) -> str:
    path: str = target.get("Path", "")
    named = (target[key] for key in ("Attribute", "Name") if key in target)
    return path.lstrip("/") or "/".join(named)


def _short(value: str | None) -> str:
    """On one line, and not the whole of a long one."""
    if value is None:
        return "nothing"
    line = " ".join(value.split())
    return line if len(line) <= _LONG else f"{line[: _LONG - 1]}…"
