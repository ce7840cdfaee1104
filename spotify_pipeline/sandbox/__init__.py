"""The stand-in for the Spotify Web API, over a synthetic catalogue.

Here belongs everything that pretends to be Spotify: invented music, playlists that change every
day, the payload shapes of the API's regimes, the HTTP server, and its bad days. What reads Spotify
does not belong here: the pipeline knows this room only as an address. Of the project it imports
the clock and the errors alone.

`python -c "from spotify_pipeline.sandbox.catalogue import Catalogue; print(Catalogue().playlists)"`
shows what there is.
"""
