"""The API as an ASGI application: routes, what each regime allows, and the answers' outer form.

It plays the well-behaved Spotify alone; what is to misbehave (429, 5xx, slowness) wraps it as
middleware: see `faults` and `latency`. The content of the answers is the catalogue's business.
"""

from datetime import timedelta
from email.utils import format_datetime

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spotify_pipeline.clock import Clock, machine_clock, today
from spotify_pipeline.sandbox.catalogue import Catalogue, PlaylistOnDay
from spotify_pipeline.sandbox.paging import Paging, Window
from spotify_pipeline.sandbox.problems import (
    TokenRefused,
    answer_problem,
    answer_token_problem,
)
from spotify_pipeline.sandbox.shapes import Json, Shape
from spotify_pipeline.sandbox.sign_in import SignIn
from spotify_pipeline.sandbox.tokens import Tokens

DAYS_ON = "sandbox.days_on"
"""The key in the scope under which middleware says how many days after the clock's the playlist
is to be shown; 0 if nobody says so."""

_MAX_LIMIT = {"items": 50, "tracks": 100}
_KEPT = frozenset({"additional_types", "fields", "market"})
_EMBEDDED = Window(offset=0, limit=100)


def create_app(
    catalogue: Catalogue,
    clock: Clock,
    shape: Shape = "items",
    *,
    token_clock: Clock = machine_clock,
    user: str | None = None,
) -> Starlette:
    """The stand-in for both of Spotify's hosts: `/authorize`, `/api/token` and `/v1/playlists/…`.

    `clock` decides which day the playlists show. Tokens live by `token_clock`: clients count their
    hour on the machine's clock, while the sandbox's own may leap from day to day.

    Whoever signs in is `user`, who reads the entries of playlists that are theirs or have them as
    a guest; an app that nobody signed in to reads none. Without `user`, every token reads all.
    """
    sign_in = SignIn()
    tokens = Tokens(token_clock, user, sign_in)
    api = _Api(catalogue, clock, shape, tokens, user)
    return Starlette(
        routes=[
            Route("/authorize", sign_in.authorize),
            Route("/api/token", tokens.grant, methods=["POST"]),
            Route("/v1/playlists/{playlist_id}", api.playlist),
            Route("/v1/playlists/{playlist_id}/items", api.items),
            Route("/v1/playlists/{playlist_id}/tracks", api.tracks),
        ],
        exception_handlers={HTTPException: answer_problem, TokenRefused: answer_token_problem},
        middleware=[Middleware(_Dated, clock)],
    )


class _Dated:
    """Has every answer say when it was given, by the sandbox's clock."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Date"] = format_datetime(self._clock(), usegmt=True)
            await send(message)

        await self._app(scope, receive, dated)


class _Api:
    def __init__(
        self,
        catalogue: Catalogue,
        clock: Clock,
        shape: Shape,
        tokens: Tokens,
        user: str | None,
    ) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._shape = shape
        self._tokens = tokens
        self._user = user

    async def playlist(self, request: Request) -> JSONResponse:
        """`GET /v1/playlists/{id}`."""
        reader = self._tokens.require(request)
        playlist = self._playlist(request)
        if not self._may_read_entries(reader, playlist):
            return _answer(request, playlist.payload(self._shape, None))
        listing = "tracks" if self._shape == "tracks" else "items"
        # `fields` names keys of the playlist here, not of the pages that follow.
        page = self._page(request, playlist, listing, _EMBEDDED, _KEPT - {"fields"})
        return _answer(request, playlist.payload(self._shape, page))

    async def items(self, request: Request) -> JSONResponse:
        """`GET /v1/playlists/{id}/items`."""
        return self._listing(request, "items")

    async def tracks(self, request: Request) -> JSONResponse:
        """`GET /v1/playlists/{id}/tracks`, closed to development mode since 2026."""
        return self._listing(request, "tracks")

    def _listing(self, request: Request, listing: str) -> JSONResponse:
        reader = self._tokens.require(request)
        playlist = self._playlist(request)
        if listing == "tracks" and self._shape == "items":
            raise HTTPException(403, "Forbidden")
        if not self._may_read_entries(reader, playlist):
            if reader is None:
                raise HTTPException(401, "Valid user authentication required")
            raise HTTPException(403, "Forbidden")
        window = Window.asked_for(request.query_params, _MAX_LIMIT[listing])
        return _answer(request, self._page(request, playlist, listing, window, _KEPT))

    def _playlist(self, request: Request) -> PlaylistOnDay:
        """The playlist that is asked for, as it stands."""
        day = today(self._clock) + timedelta(days=request.scope.get(DAYS_ON, 0))
        playlist = self._catalogue.playlist(request.path_params["playlist_id"], day)
        if playlist is None:
            raise HTTPException(404, "Resource not found")
        return playlist

    def _may_read_entries(self, reader: str | None, playlist: PlaylistOnDay) -> bool:
        return self._user is None or reader in playlist.plan.editors

    def _page(
        self,
        request: Request,
        playlist: PlaylistOnDay,
        listing: str,
        window: Window,
        kept: frozenset[str],
    ) -> Json:
        """A page of the playlist whose links lead on through `listing` and keep `kept`."""
        address = f"{request.base_url}v1/playlists/{playlist.plan.playlist_id}/{listing}"
        query = {key: value for key, value in request.query_params.items() if key in kept}
        items = playlist.entry_payloads(self._shape, window.offset, window.limit)
        return Paging(address, query, _MAX_LIMIT[listing]).page(
            window, len(playlist.entries), items
        )


def _answer(request: Request, payload: Json) -> JSONResponse:
    """The payload, reduced to its top-level keys that `fields` names."""
    fields = request.query_params.get("fields")
    if not fields:
        return JSONResponse(payload)
    if not set(fields).isdisjoint("().!"):
        raise HTTPException(400, "The sandbox knows only top-level fields, such as name,owner")
    wanted = {name.strip() for name in fields.split(",")}
    return JSONResponse({key: value for key, value in payload.items() if key in wanted})
