-- How old the music of each playlist is on a day: its songs by the year of release.
-- One row per playlist and release year; the year is null for songs whose album says none.
--
-- A song that stands in a playlist twice counts once. The year is that of the album on Spotify: a
-- reissue or a compilation is younger than the recording. `median_year` is the playlist's, the same
-- on all of its rows.
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
released AS (
    SELECT c.playlist_id, c.song_id, extract(YEAR FROM a.album_release_date) AS release_year
    FROM content AS c
    JOIN asked ON TRUE
    JOIN HISTORY.SONG AS s ON s.snapshot_date = asked.day AND s.song_id = c.song_id
    LEFT JOIN HISTORY.ALBUM AS a ON a.snapshot_date = asked.day AND a.album_id = s.album_id
),
middle AS (
    SELECT playlist_id, median(CAST(release_year AS DOUBLE)) AS median_year
    FROM released
    GROUP BY playlist_id
)
SELECT asked.day AS snapshot_date,
       r.playlist_id,
       p.playlist_name,
       r.release_year,
       count(*) AS songs,
       m.median_year
FROM released AS r
JOIN asked ON TRUE
JOIN middle AS m ON m.playlist_id = r.playlist_id
LEFT JOIN HISTORY.PLAYLIST AS p
    ON p.snapshot_date = asked.day AND p.playlist_id = r.playlist_id
GROUP BY asked.day, r.playlist_id, p.playlist_name, r.release_year, m.median_year
ORDER BY p.playlist_name, r.playlist_id, r.release_year;
