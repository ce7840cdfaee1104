-- How popular the songs of each playlist are, captured day by captured day.
-- One row per playlist of the day asked for and captured day, the last 90 of them, on which Spotify
-- told the popularity of any of its songs. Apps of 2026 and later are not told.
--
-- A song that stands in a playlist twice counts once. Popularity is Spotify's own number, from 0 to
-- 100, mostly of how often a song was played of late.
--
-- Runs as it is, for the latest published day. For another one, let asked be
-- SELECT CAST('2026-11-22' AS DATE) AS day.

WITH asked AS (
    SELECT max(snapshot_date) AS day FROM OPS.LEDGER
),
captured AS (  -- the captured days of each playlist, counted back from the day asked for
    SELECT p.playlist_id,
           p.playlist_name,
           p.snapshot_date,
           max(p.snapshot_date) OVER (PARTITION BY p.playlist_id) AS latest,
           row_number() OVER (
               PARTITION BY p.playlist_id ORDER BY p.snapshot_date DESC
           ) AS days_back
    FROM HISTORY.PLAYLIST AS p
    JOIN asked ON p.snapshot_date <= asked.day
),
content AS (
    SELECT DISTINCT c.snapshot_date, c.playlist_id, c.playlist_name, e.song_id
    FROM captured AS c
    JOIN asked ON c.latest = asked.day
    JOIN HISTORY.PLAYLIST_ENTRY AS e
        ON e.snapshot_date = c.snapshot_date AND e.playlist_id = c.playlist_id
    WHERE c.days_back <= 90
)
SELECT c.snapshot_date,
       c.playlist_id,
       c.playlist_name,
       count(s.song_popularity) AS songs,
       avg(CAST(s.song_popularity AS DOUBLE)) AS mean_popularity,
       min(s.song_popularity) AS least_popularity,
       max(s.song_popularity) AS greatest_popularity
FROM content AS c
JOIN HISTORY.SONG AS s ON s.snapshot_date = c.snapshot_date AND s.song_id = c.song_id
WHERE s.song_popularity IS NOT NULL
GROUP BY c.snapshot_date, c.playlist_id, c.playlist_name
ORDER BY c.playlist_name, c.playlist_id, c.snapshot_date;
