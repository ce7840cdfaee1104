"""The sign-in in AWS Secrets Manager, for the Lambda function, which has no home to keep it in.

A secret is a JSON object with the names and values that `.env` has elsewhere.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from spotify_pipeline.errors import FixConfiguration, PipelineError, RetryLater
from spotify_pipeline.ingest.sign_in import Credentials

_ID, _SECRET, _TOKEN = "SPOTIFY_CLIENT_ID", "SPOTIFY_CLIENT_SECRET", "SPOTIFY_REFRESH_TOKEN"


@dataclass(frozen=True)
class Secret:
    """One secret; `client` is boto3's Secrets Manager client."""

    client: Any
    name: str
    tell: Callable[[str], object]

    def credentials(self) -> Credentials:
        """The app's id and secret, and the user's refresh token where there is one."""
        fields = self._read()
        return Credentials(fields[_ID], fields[_SECRET], fields.get(_TOKEN, ""))

    def keep(self, refresh_token: str, instead_of: str) -> None:
        """Stores the token that came with a refresh, unless there is another than `instead_of`:
        then somebody has signed in anew since, and the older consent's must not take that place.
        """
        try:
            fields = self._read()
            if fields.get(_TOKEN) == instead_of:
                body = json.dumps(fields | {_TOKEN: refresh_token})
                with self._explained():
                    self.client.put_secret_value(SecretId=self.name, SecretString=body)
        except PipelineError as error:
            # The token at hand is good for today; the next run may have to tell.
            self.tell(f"Spotify sent a new refresh token, which could not be kept: {error}")

    def _read(self) -> dict[str, str]:
        with self._explained():
            text = self.client.get_secret_value(SecretId=self.name).get("SecretString", "")
        try:
            fields: Any = json.loads(text)
        except ValueError:
            fields = None  # and no cause: it would carry the text
        is_object = isinstance(fields, dict) and all(isinstance(v, str) for v in fields.values())
        if not is_object or not fields.get(_ID) or not fields.get(_SECRET):
            raise FixConfiguration(
                f"The secret {self.name} holds no sign-in. Expected: a JSON object of texts with "
                f"{_ID}, {_SECRET} and, where a user signed in, {_TOKEN}. Put one there: "
                f"aws secretsmanager put-secret-value --secret-id {self.name} "
                f"--secret-string file://sign_in.json"
            )
        return dict(fields)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code, said = error.response["Error"]["Code"], error.response["Error"].get("Message")
            text = f"Secrets Manager says {code} for {self.name}: {said}"
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise RetryLater(f"{text}. Nothing is lost: run it again.") from error
            raise FixConfiguration(
                f"{text}. Look at SPOTIFY_SECRET_NAME and at what the function's role may do."
            ) from error
        except BotoCoreError as error:
            raise RetryLater(
                f"Secrets Manager doesn't answer: {error}. Nothing is lost: run it again."
            ) from error
