-- Which playlists of a day share songs, and how many.
-- One row per pair of playlists with at least one song in common.
--
-- A song that stands in a playlist twice counts once. `share` is that of the songs of both that
-- stand in both (Jaccard): 1 where they hold the same songs.
--
-- Runs as it is, for the latest published day. For another one, let asked be
-- SELECT CAST('2026-11-22' AS DATE) AS day.

WITH asked AS (
    SELECT max(snapshot_date) AS day FROM OPS.LEDGER
),
content AS (
    SELECT DISTINCT e.playlist_id, e.song_id
    FROM asked
    JOIN HISTORY.PLAYLIST_ENTRY AS e ON e.snapshot_date = asked.day
    WHERE e.song_id IS NOT NULL
),
numbered AS (  -- numbers are joined and grouped several times as fast as ids
    SELECT playlist_id,
           dense_rank() OVER (ORDER BY playlist_id) AS playlist,
           dense_rank() OVER (ORDER BY song_id) AS song
    FROM content
),
size AS (
    SELECT playlist, min(playlist_id) AS playlist_id, count(*) AS songs
    FROM numbered
    GROUP BY playlist
),
pair AS (
    SELECT a.playlist, b.playlist AS other, count(*) AS shared_songs
    FROM numbered AS a
    JOIN numbered AS b ON b.song = a.song AND b.playlist > a.playlist
    GROUP BY a.playlist, b.playlist
)
SELECT asked.day AS snapshot_date,
       s.playlist_id,
       p.playlist_name,
       t.playlist_id AS other_playlist_id,
       o.playlist_name AS other_playlist_name,
       pair.shared_songs,
       CAST(pair.shared_songs AS DOUBLE) / (s.songs + t.songs - pair.shared_songs) AS share
FROM pair
JOIN asked ON TRUE
JOIN size AS s ON s.playlist = pair.playlist
JOIN size AS t ON t.playlist = pair.other
LEFT JOIN HISTORY.PLAYLIST AS p
    ON p.snapshot_date = asked.day AND p.playlist_id = s.playlist_id
LEFT JOIN HISTORY.PLAYLIST AS o
    ON o.snapshot_date = asked.day AND o.playlist_id = t.playlist_id
ORDER BY share DESC, s.playlist_id, t.playlist_id;
