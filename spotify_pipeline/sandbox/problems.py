"""Refusals in Spotify's words: the Web API's and, in another form, the token endpoint's."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse


class TokenRefused(Exception):
    """A refusal of the token endpoint; its arguments are `error` and `error_description`."""


def problem(
    status: int, message: str, headers: Mapping[str, str] | None = None, **details: str
) -> JSONResponse:
    """An error answer of the Web API."""
    body = {"error": {"status": status, "message": message, **details}}
    answer = JSONResponse(body, status, headers)
    if status == 401:
        answer.headers["WWW-Authenticate"] = (
            f'Bearer realm="spotify", error="invalid_token", error_description="{message}"'
        )
    return answer


def token_problem(error: str, description: str) -> JSONResponse:
    """An error answer of the token endpoint."""
    return JSONResponse({"error": error, "error_description": description}, 400)


async def answer_problem(_request: Request, error: Exception) -> JSONResponse:
    """Turns a raised `HTTPException` into an error answer of the Web API."""
    if not isinstance(error, HTTPException):
        raise error
    return problem(error.status_code, error.detail, error.headers)


async def answer_token_problem(_request: Request, error: Exception) -> JSONResponse:
    """Turns a raised `TokenRefused` into an error answer of the token endpoint."""
    if not isinstance(error, TokenRefused):
        raise error
    return token_problem(*error.args)
