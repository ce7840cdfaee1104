"""What is around the Glue endpoint: the AWS that keeps job definitions, scripts and logs."""

import functools
import http.client
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config


class Definitions:
    """The jobs of the Glue that AWS_ENDPOINT_URL names in an environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        # Not AWS_ENDPOINT_URL_GLUE, which is the endpoint that asks here.
        self._url = environment["AWS_ENDPOINT_URL"]
        self._environment = {**environment, "AWS_ENDPOINT_URL_GLUE": self._url}

    def get(self, name: str) -> dict[str, Any]:
        job: dict[str, Any] = client("glue", self._environment).get_job(JobName=name)["Job"]
        return job

    def forward(self, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Has a call answered there, by whoever it is from: its signature goes with it."""
        connection = http.client.HTTPConnection(urlsplit(self._url).netloc, timeout=60)
        try:
            connection.request("POST", "/", body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def client(service: str, environment: Mapping[str, str]) -> Any:
    """As boto3 makes it in a process with this environment, but never one of the real AWS."""
    names = (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL")
    urls = [environment[name] for name in names if environment.get(name)]
    if not urls:
        raise LookupError(f"Neither {names[0]} nor {names[1]} says where {service} is")
    return _client_at(
        urls[0],
        service,
        environment.get("AWS_ACCESS_KEY_ID", "nobody"),
        environment.get("AWS_SECRET_ACCESS_KEY", "nothing"),
        environment.get("AWS_SESSION_TOKEN"),
        environment.get("AWS_DEFAULT_REGION", "us-east-1"),
    )


@functools.lru_cache(maxsize=8)
def _client_at(url: str, service: str, *credentials: str | None) -> Any:
    """Kept, because making one takes longer than most calls; threads may share it."""
    config = Config(connect_timeout=5, retries={"total_max_attempts": 2})
    return boto3.Session(*credentials).client(service, endpoint_url=url, config=config)
