-- Who is in the playlists of a day: artists by the number of entries that name them.
-- One row per artist.
--
-- An entry counts for each of its artists, not for the first alone. `present_since` is the first
-- day of the artist's longest presence that still lasts: in one playlist, on each of its captured
-- days. What was before a playlist's first captured day nobody knows.
--
-- Runs as it is, for the latest published day. For another one, let asked be
-- SELECT CAST('2026-11-22' AS DATE) AS day.

WITH asked AS (
    SELECT max(snapshot_date) AS day FROM OPS.LEDGER
),
captured AS (  -- the captured days of each playlist, counted back from the day asked for
    SELECT p.playlist_id,
           p.snapshot_date,
           max(p.snapshot_date) OVER (PARTITION BY p.playlist_id) AS latest,
           row_number() OVER (
               PARTITION BY p.playlist_id ORDER BY p.snapshot_date DESC
           ) AS days_back
    FROM HISTORY.PLAYLIST AS p
    JOIN asked ON p.snapshot_date <= asked.day
),
looked_at AS (
    SELECT c.playlist_id, c.snapshot_date, c.days_back
    FROM captured AS c
    JOIN asked ON c.latest = asked.day
),
named AS (  -- an artist may be named twice on a song
    SELECT DISTINCT c.playlist_id, c.snapshot_date, c.days_back, e.position, e.song_id, a.artist_id
    FROM looked_at AS c
    JOIN HISTORY.PLAYLIST_ENTRY AS e
        ON e.snapshot_date = c.snapshot_date AND e.playlist_id = c.playlist_id
    JOIN HISTORY.SONG_ARTIST AS a
        ON a.snapshot_date = e.snapshot_date AND a.song_id = e.song_id
),
today AS (
    SELECT artist_id,
           count(*) AS entries,
           count(DISTINCT song_id) AS songs,
           count(DISTINCT playlist_id) AS playlists
    FROM named
    WHERE days_back = 1
    GROUP BY artist_id
),
presence AS (
    SELECT d.artist_id,
           d.snapshot_date,
           d.days_back,
           row_number() OVER (PARTITION BY d.playlist_id, d.artist_id ORDER BY d.days_back) AS times
    FROM (SELECT DISTINCT playlist_id, snapshot_date, days_back, artist_id FROM named) AS d
),
since AS (  -- unbroken as long as every captured day counts
    SELECT artist_id, min(snapshot_date) AS present_since
    FROM presence
    WHERE days_back = times
    GROUP BY artist_id
)
SELECT asked.day AS snapshot_date,
       t.artist_id,
       a.artist_name,
       t.entries,
       t.songs,
       t.playlists,
       since.present_since,
       a.artist_url
FROM today AS t
JOIN asked ON TRUE
JOIN since ON since.artist_id = t.artist_id
LEFT JOIN HISTORY.ARTIST AS a ON a.snapshot_date = asked.day AND a.artist_id = t.artist_id
ORDER BY t.entries DESC, t.playlists DESC, a.artist_name, t.artist_id;
