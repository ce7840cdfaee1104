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
size AS (
    SELECT playlist_id, count(*) AS songs FROM content GROUP BY playlist_id
),
pair AS (
    SELECT a.playlist_id, b.playlist_id AS other_id, count(*) AS shared_songs
    FROM content AS a
    JOIN content AS b ON b.song_id = a.song_id AND b.playlist_id > a.playlist_id
    GROUP BY a.playlist_id, b.playlist_id
)
SELECT asked.day AS snapshot_date,
       pair.playlist_id,
       p.playlist_name,
       pair.other_id AS other_playlist_id,
       o.playlist_name AS other_playlist_name,
       pair.shared_songs,
       CAST(pair.shared_songs AS DOUBLE) / (s.songs + t.songs - pair.shared_songs) AS share
FROM pair
JOIN asked ON TRUE
JOIN size AS s ON s.playlist_id = pair.playlist_id
JOIN size AS t ON t.playlist_id = pair.other_id
LEFT JOIN HISTORY.PLAYLIST AS p
    ON p.snapshot_date = asked.day AND p.playlist_id = pair.playlist_id
LEFT JOIN HISTORY.PLAYLIST AS o
    ON o.snapshot_date = asked.day AND o.playlist_id = pair.other_id
ORDER BY share DESC, pair.playlist_id, pair.other_id;
