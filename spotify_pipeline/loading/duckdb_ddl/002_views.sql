-- The views that people read.

-- The latest day, one wide row per entry.
CREATE VIEW public.playlist_today AS
WITH latest AS (
    SELECT max(snapshot_date) AS snapshot_date FROM history.playlist
),
artists AS (
    SELECT sa.song_id, string_agg(a.artist_name, ', ' ORDER BY sa.artist_position) AS artist_names
    FROM latest
    JOIN history.song_artist AS sa USING (snapshot_date)
    JOIN history.artist AS a USING (snapshot_date, artist_id)
    GROUP BY sa.song_id
)
SELECT e.snapshot_date,
       p.playlist_name,
       e.position,
       e.entry_type,
       e.entry_name,
       ar.artist_names,
       al.album_name,
       al.album_release_date,
       s.song_duration,
       s.song_popularity,
       s.song_explicit,
       e.added_at,
       e.playlist_id,
       e.song_id,
       s.album_id,
       s.song_url
FROM latest
JOIN history.playlist_entry AS e USING (snapshot_date)
LEFT JOIN history.playlist AS p USING (snapshot_date, playlist_id)
LEFT JOIN history.song AS s USING (snapshot_date, song_id)
LEFT JOIN history.album AS al ON al.snapshot_date = e.snapshot_date AND al.album_id = s.album_id
LEFT JOIN artists AS ar ON ar.song_id = e.song_id;

-- What entered, left or moved in each playlist since its previous captured day.
-- An entry is recognised by its address and, where that stands there several times, by which time
-- it is. "Moved" is judged among the entries that stayed: what others did by coming or going is
-- no move. The first captured day of a playlist has no changes.
CREATE VIEW public.playlist_changes AS
WITH captured AS (
    SELECT playlist_id, snapshot_date,
           lag(snapshot_date) OVER (PARTITION BY playlist_id ORDER BY snapshot_date) AS previous_date
    FROM history.playlist
),
slot AS (
    SELECT snapshot_date, playlist_id, position, entry_type, song_id, entry_name,
           coalesce(entry_uri, '') AS identity,
           row_number() OVER (
               PARTITION BY snapshot_date, playlist_id, coalesce(entry_uri, '') ORDER BY position
           ) AS occurrence
    FROM history.playlist_entry
),
now_there AS (
    SELECT c.previous_date, s.*
    FROM captured AS c JOIN slot AS s USING (playlist_id, snapshot_date)
    WHERE c.previous_date IS NOT NULL
),
then_there AS (
    SELECT c.snapshot_date, c.previous_date, s.* EXCLUDE (snapshot_date)
    FROM captured AS c
    JOIN slot AS s ON s.playlist_id = c.playlist_id AND s.snapshot_date = c.previous_date
),
pair AS (
    SELECT coalesce(n.snapshot_date, t.snapshot_date) AS snapshot_date,
           coalesce(n.previous_date, t.previous_date) AS previous_date,
           coalesce(n.playlist_id, t.playlist_id) AS playlist_id,
           coalesce(n.entry_type, t.entry_type) AS entry_type,
           coalesce(n.song_id, t.song_id) AS song_id,
           coalesce(n.entry_name, t.entry_name) AS entry_name,
           n.position AS position,
           t.position AS previous_position
    FROM now_there AS n
    FULL JOIN then_there AS t
        ON n.snapshot_date = t.snapshot_date AND n.playlist_id = t.playlist_id
        AND n.identity = t.identity AND n.occurrence = t.occurrence
),
ranked AS (
    SELECT *,
           row_number() OVER (PARTITION BY snapshot_date, playlist_id,
               position IS NULL OR previous_position IS NULL ORDER BY position) AS place,
           row_number() OVER (PARTITION BY snapshot_date, playlist_id,
               position IS NULL OR previous_position IS NULL ORDER BY previous_position)
               AS previous_place
    FROM pair
)
SELECT snapshot_date,
       playlist_id,
       CASE WHEN previous_position IS NULL THEN 'entered'
            WHEN position IS NULL THEN 'left'
            ELSE 'moved' END AS change,
       position,
       previous_position,
       entry_type,
       entry_name,
       song_id,
       previous_date,
       datediff('day', previous_date, snapshot_date) AS gap_days
FROM ranked
WHERE position IS NULL OR previous_position IS NULL OR place <> previous_place;
