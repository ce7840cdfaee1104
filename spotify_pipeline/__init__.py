"""Daily snapshots of Spotify playlists, from the API to tables. See `definitions` for the graph."""
