-- What entered, left or moved in each playlist of a day since its previous captured day.
-- One row per entry that did. A playlist's first captured day has none.
--
-- An entry is recognised by its address and, where that stands there several times, by which copy
-- it is; it moved if its place changed among the entries that stayed (as in
-- PUBLIC.PLAYLIST_CHANGES). For what left, `present_since` is the first day of its unbroken
-- presence, judged by the days on which the playlist was captured: other days don't count as gone.
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
           ) AS days_back,
           count(*) OVER (PARTITION BY p.playlist_id) AS days
    FROM HISTORY.PLAYLIST AS p
    JOIN asked ON p.snapshot_date <= asked.day
),
compared AS (  -- the day and the one before it, of the playlists that have both
    SELECT c.playlist_id, c.snapshot_date, c.days_back
    FROM captured AS c
    JOIN asked ON c.latest = asked.day
    WHERE c.days > 1 AND c.days_back <= 2
),
slot AS (
    SELECT c.playlist_id,
           c.days_back,
           e.position,
           e.entry_type,
           e.entry_name,
           e.song_id,
           coalesce(e.entry_uri, '') AS address,
           row_number() OVER (
               PARTITION BY c.playlist_id, c.days_back, coalesce(e.entry_uri, '')
               ORDER BY e.position
           ) AS occurrence
    FROM compared AS c
    JOIN HISTORY.PLAYLIST_ENTRY AS e
        ON e.snapshot_date = c.snapshot_date AND e.playlist_id = c.playlist_id
),
pair AS (
    SELECT coalesce(n.playlist_id, b.playlist_id) AS playlist_id,
           coalesce(n.address, b.address) AS address,
           coalesce(n.occurrence, b.occurrence) AS occurrence,
           coalesce(n.entry_type, b.entry_type) AS entry_type,
           coalesce(n.entry_name, b.entry_name) AS entry_name,
           coalesce(n.song_id, b.song_id) AS song_id,
           n.position AS position,
           b.position AS previous_position,
           CASE WHEN b.position IS NULL THEN 'entered'
                WHEN n.position IS NULL THEN 'left'
                ELSE 'stayed' END AS fate
    FROM (SELECT * FROM slot WHERE days_back = 1) AS n
    FULL OUTER JOIN (SELECT * FROM slot WHERE days_back = 2) AS b
        ON b.playlist_id = n.playlist_id
        AND b.address = n.address
        AND b.occurrence = n.occurrence
),
ranked AS (
    SELECT pair.*,
           row_number() OVER (PARTITION BY playlist_id, fate ORDER BY position) AS place,
           row_number() OVER (
               PARTITION BY playlist_id, fate ORDER BY previous_position
           ) AS previous_place
    FROM pair
),
gone AS (
    SELECT playlist_id, address, occurrence FROM pair WHERE fate = 'left'
),
before AS (  -- how many copies of what left each earlier day had
    SELECT c.playlist_id,
           c.snapshot_date,
           c.days_back,
           g.address,
           count(*) AS copies
    FROM (SELECT DISTINCT playlist_id, address FROM gone) AS g
    JOIN captured AS c ON c.playlist_id = g.playlist_id
    JOIN HISTORY.PLAYLIST_ENTRY AS e
        ON e.snapshot_date = c.snapshot_date
        AND e.playlist_id = c.playlist_id
        AND coalesce(e.entry_uri, '') = g.address
    WHERE c.days_back > 1
    GROUP BY c.playlist_id, c.snapshot_date, c.days_back, g.address
),
presence AS (
    SELECT g.playlist_id,
           g.address,
           g.occurrence,
           b.snapshot_date,
           b.days_back,
           row_number() OVER (
               PARTITION BY g.playlist_id, g.address, g.occurrence ORDER BY b.days_back
           ) AS times
    FROM gone AS g
    JOIN before AS b
        ON b.playlist_id = g.playlist_id
        AND b.address = g.address
        AND b.copies >= g.occurrence
),
stay AS (  -- unbroken as long as every captured day counts
    SELECT playlist_id,
           address,
           occurrence,
           min(snapshot_date) AS present_since,
           max(days_back) AS reaches_back
    FROM presence
    WHERE days_back = times + 1
    GROUP BY playlist_id, address, occurrence
)
SELECT n.snapshot_date,
       r.playlist_id,
       n.playlist_name,
       CASE WHEN r.fate = 'stayed' THEN 'moved' ELSE r.fate END AS change,
       r.position,
       r.previous_position,
       r.entry_type,
       r.entry_name,
       a.artist_name,
       r.song_id,
       s.song_url,
       b.snapshot_date AS previous_date,
       datediff('day', b.snapshot_date, n.snapshot_date) AS gap_days,
       stay.present_since,
       datediff('day', stay.present_since, b.snapshot_date) + 1 AS days_stayed,
       stay.reaches_back = n.days AS is_at_least
FROM ranked AS r
JOIN captured AS n ON n.playlist_id = r.playlist_id AND n.days_back = 1
JOIN captured AS b ON b.playlist_id = r.playlist_id AND b.days_back = 2
LEFT JOIN stay
    ON stay.playlist_id = r.playlist_id
    AND stay.address = r.address
    AND stay.occurrence = r.occurrence
    AND r.fate = 'left'
LEFT JOIN HISTORY.SONG AS s
    ON s.song_id = r.song_id
    AND s.snapshot_date = CASE WHEN r.fate = 'left' THEN b.snapshot_date ELSE n.snapshot_date END
LEFT JOIN HISTORY.ARTIST AS a
    ON a.snapshot_date = s.snapshot_date AND a.artist_id = s.artist_id
WHERE r.fate <> 'stayed' OR r.place <> r.previous_place
ORDER BY CASE WHEN r.fate = 'stayed' THEN 1 ELSE 0 END,  -- who came and who went first
         n.playlist_name,
         r.playlist_id,
         change,
         coalesce(r.position, r.previous_position);
