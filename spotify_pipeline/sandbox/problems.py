"""Refusals in Spotify's words: the Web API's and, in another form, the token endpoint's."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse


def problem(status: int, message: str) -> JSONResponse:
    """An error answer of the Web API."""
    return JSONResponse({"error": {"status": status, "message": message}}, status)


def token_problem(error: str, description: str) -> JSONResponse:
    """An error answer of the token endpoint."""
    return JSONResponse({"error": error, "error_description": description}, 400)


async def answer_problem(_request: Request, error: Exception) -> JSONResponse:
    """Turns a raised `HTTPException` into an error answer of the Web API."""
    if not isinstance(error, HTTPException):
        raise error
    answer = problem(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer
