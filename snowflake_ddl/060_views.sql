-- The views that people read: the same as those of the DuckDB file, in Snowflake's words.
-- Runs as SYSADMIN, who owns them. Safe to run again: a view that is there stays as it is, also
-- where a later migration has replaced it.
--
-- Schema version 60. Never edit a migration that was released: add the next number (README).

USE ROLE SYSADMIN;

-- The latest day, one wide row per entry.
CREATE VIEW IF NOT EXISTS <% database %>.PUBLIC.PLAYLIST_TODAY
    COMMENT = 'the latest day, one wide row per entry'
AS
WITH latest AS (
    SELECT max(p.snapshot_date) AS snapshot_date FROM <% database %>.HISTORY.PLAYLIST AS p
),
artists AS (
    SELECT sa.song_id,
           -- Of artists without names listagg makes an empty string; we say that there are none.
           CASE WHEN count(a.artist_name) > 0
                THEN listagg(a.artist_name, ', ') WITHIN GROUP (ORDER BY sa.artist_position)
           END AS artist_names
    FROM latest
    JOIN <% database %>.HISTORY.SONG_ARTIST AS sa ON sa.snapshot_date = latest.snapshot_date
    JOIN <% database %>.HISTORY.ARTIST AS a
        ON a.snapshot_date = sa.snapshot_date AND a.artist_id = sa.artist_id
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
JOIN <% database %>.HISTORY.PLAYLIST_ENTRY AS e ON e.snapshot_date = latest.snapshot_date
LEFT JOIN <% database %>.HISTORY.PLAYLIST AS p
    ON p.snapshot_date = e.snapshot_date AND p.playlist_id = e.playlist_id
LEFT JOIN <% database %>.HISTORY.SONG AS s
    ON s.snapshot_date = e.snapshot_date AND s.song_id = e.song_id
LEFT JOIN <% database %>.HISTORY.ALBUM AS al
    ON al.snapshot_date = e.snapshot_date AND al.album_id = s.album_id
LEFT JOIN artists AS ar ON ar.song_id = e.song_id;

-- What entered, left or moved in each playlist since its previous captured day.
-- An entry is recognised by its address and, where that stands there several times, by which time
-- it is. "Moved" is judged among the entries that stayed: what others did by coming or going is
-- no move. The first captured day of a playlist has no changes.
CREATE VIEW IF NOT EXISTS <% database %>.PUBLIC.PLAYLIST_CHANGES
    COMMENT = 'what entered, left or moved in each playlist since its previous captured day'
AS
WITH captured AS (
    SELECT p.playlist_id,
           p.snapshot_date,
           lag(p.snapshot_date) OVER (
               PARTITION BY p.playlist_id ORDER BY p.snapshot_date
           ) AS previous_date
    FROM <% database %>.HISTORY.PLAYLIST AS p
),
slot AS (
    SELECT e.snapshot_date,
           e.playlist_id,
           e.position,
           e.entry_type,
           e.song_id,
           e.entry_name,
           coalesce(e.entry_uri, '') AS address,
           row_number() OVER (
               PARTITION BY e.snapshot_date, e.playlist_id, coalesce(e.entry_uri, '')
               ORDER BY e.position
           ) AS occurrence
    FROM <% database %>.HISTORY.PLAYLIST_ENTRY AS e
),
now_there AS (
    SELECT c.snapshot_date, c.previous_date, s.playlist_id, s.position, s.entry_type, s.song_id,
           s.entry_name, s.address, s.occurrence
    FROM captured AS c
    JOIN slot AS s ON s.playlist_id = c.playlist_id AND s.snapshot_date = c.snapshot_date
    WHERE c.previous_date IS NOT NULL
),
then_there AS (
    SELECT c.snapshot_date, c.previous_date, s.playlist_id, s.position, s.entry_type, s.song_id,
           s.entry_name, s.address, s.occurrence
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
    FULL OUTER JOIN then_there AS t
        ON n.snapshot_date = t.snapshot_date AND n.playlist_id = t.playlist_id
        AND n.address = t.address AND n.occurrence = t.occurrence
),
ranked AS (
    SELECT pair.*,
           row_number() OVER (
               PARTITION BY snapshot_date, playlist_id,
                   position IS NULL OR previous_position IS NULL
               ORDER BY position
           ) AS place,
           row_number() OVER (
               PARTITION BY snapshot_date, playlist_id,
                   position IS NULL OR previous_position IS NULL
               ORDER BY previous_position
           ) AS previous_place
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

USE WAREHOUSE <% warehouse %>;

INSERT INTO <% database %>.OPS.SCHEMA_VERSION (version, name, applied_at)
SELECT step.version, step.name, SYSDATE()  -- SYSDATE is UTC
FROM (SELECT 60 AS version, '060_views' AS name) AS step
WHERE NOT EXISTS (
    SELECT 1 FROM <% database %>.OPS.SCHEMA_VERSION AS known WHERE known.version = step.version
);
