"""Snowflake's protocol over HTTP: fakesnow's server with the account in front of it.

A refusal is an answer with HTTP 200 and `success: false`; the connector would repeat anything else
for minutes.
"""

import gzip
import json
import logging
from typing import Any

from fakesnow.server import query_request, routes
from fakesnow.transforms import SERVER_VERSION
from snowflake.connector.errors import Error
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spotify_pipeline_tests.emulators import snowflake_errors as errors
from spotify_pipeline_tests.emulators.snowflake_account import Account
from spotify_pipeline_tests.emulators.snowflake_errors import SnowflakeError
from spotify_pipeline_tests.emulators.snowflake_results import Result
from spotify_pipeline_tests.emulators.snowflake_sessions import Session

Json = dict[str, Any]

_HOURS = 3600


def application(account: Account) -> Starlette:
    """What answers the connector."""
    protocol = _Protocol(account)
    own = [
        Route("/session/v1/login-request", protocol.login, methods=["POST"]),
        Route("/session", protocol.session, methods=["POST"]),
        Route("/queries/v1/query-request", protocol.query, methods=["POST"]),
        Route("/telemetry/send", protocol.telemetry, methods=["POST"]),
    ]
    paths = {route.path for route in own}
    return Starlette(routes=own + [route for route in routes if route.path not in paths])


class _Protocol:
    def __init__(self, account: Account) -> None:
        self._account = account

    async def login(self, request: Request) -> Response:
        data = (await _body(request))["data"]
        asked = request.query_params
        role = _folded(asked.get("roleName"))
        try:
            self._account.sign_in.check(data)
            role = self._account.sign_in.role(data.get("LOGIN_NAME", "").upper(), role)
        except SnowflakeError as error:
            return _refusal(error)
        parameters = data.get("SESSION_PARAMETERS", {})
        session = await run_in_threadpool(
            self._account.warehouse.open,
            data.get("LOGIN_NAME", "").upper(),
            _folded(asked.get("databaseName")),
            _folded(asked.get("schemaName")),
            parameters.get("AUTOCOMMIT", True),
        )
        session.role = role
        session.warehouse = _folded(asked.get("warehouse"))
        try:
            session.set_limits(parameters)
        except SnowflakeError as error:
            await run_in_threadpool(self._account.warehouse.end, session)
            return _refusal(error)
        return JSONResponse(
            {
                "data": {
                    "token": session.token,
                    "masterToken": session.token,
                    "validityInSeconds": _HOURS,
                    "masterValidityInSeconds": 4 * _HOURS,
                    "sessionId": 1,
                    "serverVersion": SERVER_VERSION,
                    "parameters": [
                        {"name": "AUTOCOMMIT", "value": parameters.get("AUTOCOMMIT", True)},
                        {"name": "TIMEZONE", "value": "Etc/UTC"},
                        {"name": "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", "value": _HOURS},
                        {"name": "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", "value": 0},
                    ],
                    "sessionInfo": {
                        "databaseName": session.database,
                        "schemaName": session.schema,
                        "warehouseName": session.warehouse,
                        "roleName": session.role,
                    },
                },
                "success": True,
            }
        )

    async def session(self, request: Request) -> Response:
        session = self._session(request)
        if session and request.query_params.get("delete"):
            await run_in_threadpool(self._account.warehouse.end, session)
        return JSONResponse({"data": None, "code": None, "message": None, "success": True})

    async def telemetry(self, request: Request) -> Response:
        return JSONResponse({"data": "Log Received", "success": True})

    async def query(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            gone = "Session no longer exists. New login required to access the service."
            return _refusal(SnowflakeError(390111, "08001", gone))
        body = await _body(request)
        try:
            answer = await run_in_threadpool(self._account.answer, session, body["sqlText"])
            if isinstance(answer, Result):
                return JSONResponse(answer.as_json(session))
            response = await query_request(_with_body(request, body, answer))
            if response.status_code == 500:
                raise errors.unsupported(body["sqlText"].strip().split("\n")[0][:60])
            return response
        except SnowflakeError as error:
            return _refusal(error)
        except Error as error:
            told = SnowflakeError(error.errno or 603, error.sqlstate or "XX000", error.msg or "")
            return _refusal(told)
        except Exception as error:
            logging.getLogger(__name__).exception("%s", body["sqlText"])
            return _refusal(SnowflakeError(603, "XX000", f"{type(error).__name__}: {error}"))
        finally:
            if not session.in_transaction:
                session.locks.release(session)

    def _session(self, request: Request) -> Session | None:
        token = request.headers.get("Authorization", "")[17:-1]  # Snowflake Token="…"
        return self._account.warehouse.sessions.get(token)


def _refusal(error: SnowflakeError) -> JSONResponse:
    code = f"{error.code:06}"
    data = {"errorCode": code, "sqlState": error.state, "internalError": False}
    return JSONResponse({"data": data, "code": code, "message": str(error), "success": False})


async def _body(request: Request) -> Json:
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    found: Json = json.loads(body)
    return found


def _with_body(request: Request, body: Json, sql: str) -> Request:
    """The same request with another statement."""
    content = json.dumps(body | {"sqlText": sql}).encode()
    left_out = (b"content-encoding", b"content-length")
    headers = [(name, value) for name, value in request.scope["headers"] if name not in left_out]

    async def receive() -> Json:
        return {"type": "http.request", "body": content, "more_body": False}

    return Request({**request.scope, "headers": headers}, receive)


def _folded(name: str | None) -> str | None:
    if name is None:
        return None
    return name[1:-1] if name.startswith('"') else name.upper()
