"""S3's events on their way through SQS to Snowpipe."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus


@dataclass(frozen=True)
class Event:
    """An object was made."""

    bucket: str
    key: str


class EventQueue:
    """The queue that buckets tell of new objects."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    @property
    def arn(self) -> str:
        asked = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        return str(asked["Attributes"]["QueueArn"])

    def receive(self) -> list[Event]:
        """Takes the next events off the queue; none when it is empty."""
        while messages := self._next():
            if events := [event for message in messages for event in _events(message)]:
                return events
        return []

    def _next(self) -> list[str]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=0
        )
        for message in answer.get("Messages", ()):
            receipt = message["ReceiptHandle"]
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)
        return [message["Body"] for message in answer.get("Messages", ())]


def _events(body: str) -> Iterator[Event]:
    """The objects made that a message tells of; a test event tells of none."""
    for record in json.loads(body).get("Records", ()):
        if record["eventName"].startswith("ObjectCreated"):
            found = record["s3"]
            yield Event(found["bucket"]["name"], unquote_plus(found["object"]["key"]))
