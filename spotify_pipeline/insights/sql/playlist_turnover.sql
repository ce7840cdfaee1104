-- How much of each playlist came and went, captured day by captured day.
-- One row per playlist of the day asked for and captured day, the last 90 of them.
--
-- `turnover` is the share of all entries, of the day and of the one before, that entered or left:
-- 0 where nothing changed, 1 where nothing stayed. A playlist's first captured day has nothing to be
-- compared with, so it is null there. Which entries they were is in playlist_changes.
--
-- Runs as it is, for the latest published day. For another one, let asked be
-- SELECT CAST('2026-11-22' AS DATE) AS day.

WITH asked AS (
    SELECT max(snapshot_date) AS day FROM OPS.LEDGER
),
captured AS (  -- the captured days of each playlist, counted back from the day asked for
    SELECT p.playlist_id,
           p.playlist_name,
           p.playlist_url,
           p.snapshot_date,
           max(p.snapshot_date) OVER (PARTITION BY p.playlist_id) AS latest,
           lag(p.snapshot_date) OVER (
               PARTITION BY p.playlist_id ORDER BY p.snapshot_date
           ) AS previous_date,
           row_number() OVER (
               PARTITION BY p.playlist_id ORDER BY p.snapshot_date DESC
           ) AS days_back
    FROM HISTORY.PLAYLIST AS p
    JOIN asked ON p.snapshot_date <= asked.day
),
looked_at AS (  -- one more day than is told of, to compare the last one with
    SELECT c.playlist_id,
           c.playlist_name,
           c.playlist_url,
           c.snapshot_date,
           c.previous_date,
           c.days_back
    FROM captured AS c
    JOIN asked ON c.latest = asked.day
    WHERE c.days_back <= 91
),
content AS (
    SELECT c.playlist_id, c.days_back, coalesce(e.entry_uri, '') AS address, count(*) AS copies
    FROM looked_at AS c
    JOIN HISTORY.PLAYLIST_ENTRY AS e
        ON e.snapshot_date = c.snapshot_date AND e.playlist_id = c.playlist_id
    GROUP BY c.playlist_id, c.days_back, coalesce(e.entry_uri, '')
),
size AS (
    SELECT c.playlist_id, c.days_back, coalesce(sum(x.copies), 0) AS entries
    FROM looked_at AS c
    LEFT JOIN content AS x ON x.playlist_id = c.playlist_id AND x.days_back = c.days_back
    GROUP BY c.playlist_id, c.days_back
),
kept AS (  -- what stands on both days, copy for copy
    SELECT n.playlist_id, n.days_back, sum(least(n.copies, b.copies)) AS entries
    FROM content AS n
    JOIN content AS b
        ON b.playlist_id = n.playlist_id
        AND b.days_back = n.days_back + 1
        AND b.address = n.address
    GROUP BY n.playlist_id, n.days_back
),
counted AS (
    SELECT c.snapshot_date,
           c.playlist_id,
           c.playlist_name,
           n.entries,
           n.entries - coalesce(k.entries, 0) AS entries_entered,
           b.entries - coalesce(k.entries, 0) AS entries_left,
           n.entries + b.entries AS of_both_days,
           c.previous_date,
           c.playlist_url
    FROM looked_at AS c
    JOIN size AS n ON n.playlist_id = c.playlist_id AND n.days_back = c.days_back
    LEFT JOIN size AS b ON b.playlist_id = c.playlist_id AND b.days_back = c.days_back + 1
    LEFT JOIN kept AS k ON k.playlist_id = c.playlist_id AND k.days_back = c.days_back
    WHERE c.days_back <= 90
)
SELECT snapshot_date,
       playlist_id,
       playlist_name,
       entries,
       CASE WHEN previous_date IS NOT NULL THEN entries_entered END AS entries_entered,
       entries_left,
       CASE WHEN of_both_days = 0 THEN 0
            ELSE CAST(entries_entered + entries_left AS DOUBLE) / of_both_days END AS turnover,
       previous_date,
       datediff('day', previous_date, snapshot_date) AS gap_days,
       playlist_url
FROM counted
ORDER BY playlist_name, playlist_id, snapshot_date;
