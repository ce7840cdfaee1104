"""The API as an ASGI application: routes, what each regime allows, and the answers' outer form.

It plays the well-behaved Spotify alone; what is to misbehave (429, 5xx, slowness) wraps it as
middleware. The content of the answers is the catalogue's business.
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from spotify_pipeline.clock import Clock, machine_clock, today
from spotify_pipeline.sandbox.catalogue import Catalogue, PlaylistOnDay
from spotify_pipeline.sandbox.paging import Paging, Window
from spotify_pipeline.sandbox.problems import answer_problem
from spotify_pipeline.sandbox.shapes import Json, Shape
from spotify_pipeline.sandbox.tokens import Tokens

_MAX_LIMIT = {"items": 50, "tracks": 100}
_KEPT = frozenset({"additional_types", "fields", "market"})
_EMBEDDED = Window(offset=0, limit=100)


def create_app(
    catalogue: Catalogue,
    clock: Clock,
    shape: Shape = "items",
    *,
    token_clock: Clock = machine_clock,
) -> Starlette:
    """The stand-in for both of Spotify's hosts: `/api/token` and `/v1/playlists/…`.

    `clock` decides which day the playlists show. Tokens live by `token_clock`: clients count their
    hour on the machine's clock, while the sandbox's own may leap from day to day.
    """
    api = _Api(catalogue, clock, shape, Tokens(token_clock))
    return Starlette(
        routes=[
            Route("/api/token", api.tokens.grant, methods=["POST"]),
            Route("/v1/playlists/{playlist_id}", api.playlist),
            Route("/v1/playlists/{playlist_id}/items", api.items),
            Route("/v1/playlists/{playlist_id}/tracks", api.tracks),
        ],
        exception_handlers={HTTPException: answer_problem},
    )


class _Api:
    def __init__(self, catalogue: Catalogue, clock: Clock, shape: Shape, tokens: Tokens) -> None:
        self.tokens = tokens
        self._catalogue = catalogue
        self._clock = clock
        self._shape = shape

    async def playlist(self, request: Request) -> JSONResponse:
        """`GET /v1/playlists/{id}`."""
        playlist = self._playlist(request)
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
        playlist = self._playlist(request)
        if listing == "tracks" and self._shape == "items":
            raise HTTPException(403, "Forbidden")
        window = Window.asked_for(request.query_params, _MAX_LIMIT[listing])
        return _answer(request, self._page(request, playlist, listing, window, _KEPT))

    def _playlist(self, request: Request) -> PlaylistOnDay:
        """The playlist that is asked for, by someone who may."""
        self.tokens.require(request)
        playlist = self._catalogue.playlist(request.path_params["playlist_id"], today(self._clock))
        if playlist is None:
            raise HTTPException(404, "Resource not found")
        return playlist

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
