-- The tables. Runs as the loader role (LANDING) and SYSADMIN (the others), who then own them.
-- Safe to run again: tables that are there stay as they are, rows and all. Never OR REPLACE here:
-- it would throw the rows away, and the pipes' memory of what they have loaded.
--
-- Schema version 50. Never edit a migration that was released: add the next number (README).
-- Times are UTC without a zone. Columns stand in the order of contract.py, with its words as
-- comments. There are no primary keys: Snowflake would not enforce them, and the check `keys`
-- looks for rows that share one.

-- LANDING: as the files say, with where each row came from. Only keys and arrival are NOT NULL: so
-- a column may be added while older files still come in, and a file whose header doesn't match
-- fails instead of loading nulls. _loaded_at is an instant (TIMESTAMP_LTZ), as the pipe delivers
-- it: without a zone it would depend on the account's.

USE ROLE <% loader_role %>;

CREATE TABLE IF NOT EXISTS <% database %>.LANDING.PLAYLIST (
    snapshot_date        DATE NOT NULL          COMMENT 'UTC day of the capture',
    playlist_id          VARCHAR NOT NULL       COMMENT 'Spotify''s id of the playlist',
    playlist_name        VARCHAR                COMMENT 'name',
    playlist_description VARCHAR                COMMENT 'description, may be empty',
    owner_id             VARCHAR                COMMENT 'Spotify id of the owner',
    owner_name           VARCHAR                COMMENT 'display name of the owner',
    is_public            BOOLEAN                COMMENT 'shown on the owner''s profile',
    is_collaborative     BOOLEAN                COMMENT 'others may edit it',
    snapshot_id          VARCHAR                COMMENT 'Spotify''s own version mark',
    followers            NUMBER(38,0)           COMMENT 'followers, where Spotify says',
    total_entries        NUMBER(38,0)           COMMENT 'entries, as Spotify counts them',
    playlist_url         VARCHAR                COMMENT 'link to the playlist',
    fetched_at           TIMESTAMP_NTZ          COMMENT 'when the answer that holds this row arrived, UTC',
    _file                VARCHAR NOT NULL       COMMENT 'key of the file in the bucket',
    _row                 NUMBER(38,0) NOT NULL  COMMENT 'number of the row in the file',
    _loaded_at           TIMESTAMP_LTZ NOT NULL COMMENT 'when the pipe read the file'
)
COMMENT = 'one row per playlist and day and file, as loaded';

CREATE TABLE IF NOT EXISTS <% database %>.LANDING.PLAYLIST_ENTRY (
    snapshot_date DATE NOT NULL          COMMENT 'UTC day of the capture',
    playlist_id   VARCHAR NOT NULL       COMMENT 'Spotify''s id of the playlist',
    position      NUMBER(38,0) NOT NULL  COMMENT 'place in the playlist, 1 is the top',
    entry_type    VARCHAR                COMMENT 'track, episode, local (a file of the owner''s) or unavailable (nothing is there)',
    song_id       VARCHAR                COMMENT 'the song, null unless a track',
    entry_uri     VARCHAR                COMMENT 'Spotify''s address of the entry',
    entry_name    VARCHAR                COMMENT 'title as shown',
    added_at      TIMESTAMP_NTZ          COMMENT 'when it was added, UTC; may be null',
    added_by      VARCHAR                COMMENT 'Spotify id of who added it',
    _file         VARCHAR NOT NULL       COMMENT 'key of the file in the bucket',
    _row          NUMBER(38,0) NOT NULL  COMMENT 'number of the row in the file',
    _loaded_at    TIMESTAMP_LTZ NOT NULL COMMENT 'when the pipe read the file'
)
COMMENT = 'one row per slot of a playlist and day and file, as loaded';

CREATE TABLE IF NOT EXISTS <% database %>.LANDING.SONG (
    snapshot_date   DATE NOT NULL          COMMENT 'UTC day of the capture',
    song_id         VARCHAR NOT NULL       COMMENT 'Spotify''s id of the track',
    song_name       VARCHAR                COMMENT 'title',
    song_duration   NUMBER(38,0)           COMMENT 'length in milliseconds',
    song_explicit   BOOLEAN                COMMENT 'explicit lyrics',
    song_isrc       VARCHAR                COMMENT 'recording code, stable across releases',
    song_url        VARCHAR                COMMENT 'link to the song',
    song_popularity NUMBER(38,0)           COMMENT '0 to 100; null where withheld',
    song_added      DATE                   COMMENT 'earliest day it was added to any of the day''s playlists; null and 1970 left out',
    album_id        VARCHAR                COMMENT 'its album',
    artist_id       VARCHAR                COMMENT 'its first artist',
    disc_number     NUMBER(38,0)           COMMENT 'disc on the album',
    track_number    NUMBER(38,0)           COMMENT 'track on the disc',
    fetched_at      TIMESTAMP_NTZ          COMMENT 'when the answer that holds this row arrived, UTC',
    _file           VARCHAR NOT NULL       COMMENT 'key of the file in the bucket',
    _row            NUMBER(38,0) NOT NULL  COMMENT 'number of the row in the file',
    _loaded_at      TIMESTAMP_LTZ NOT NULL COMMENT 'when the pipe read the file'
)
COMMENT = 'one row per song and day and file, as loaded';

CREATE TABLE IF NOT EXISTS <% database %>.LANDING.ALBUM (
    snapshot_date           DATE NOT NULL          COMMENT 'UTC day of the capture',
    album_id                VARCHAR NOT NULL       COMMENT 'Spotify''s id of the album',
    album_name              VARCHAR                COMMENT 'title, may be empty',
    album_type              VARCHAR                COMMENT 'album, single or compilation',
    album_release_date      DATE                   COMMENT 'release day; the first of the month or year where Spotify knows no more',
    album_release_precision VARCHAR                COMMENT 'year, month or day',
    album_total_tracks      NUMBER(38,0)           COMMENT 'tracks on the album',
    album_url               VARCHAR                COMMENT 'link to the album',
    album_image_url         VARCHAR                COMMENT 'widest cover image',
    artist_id               VARCHAR                COMMENT 'its first artist',
    fetched_at              TIMESTAMP_NTZ          COMMENT 'when the answer that holds this row arrived, UTC',
    _file                   VARCHAR NOT NULL       COMMENT 'key of the file in the bucket',
    _row                    NUMBER(38,0) NOT NULL  COMMENT 'number of the row in the file',
    _loaded_at              TIMESTAMP_LTZ NOT NULL COMMENT 'when the pipe read the file'
)
COMMENT = 'one row per album and day and file, as loaded';

CREATE TABLE IF NOT EXISTS <% database %>.LANDING.ARTIST (
    snapshot_date DATE NOT NULL          COMMENT 'UTC day of the capture',
    artist_id     VARCHAR NOT NULL       COMMENT 'Spotify''s id of the artist',
    artist_name   VARCHAR                COMMENT 'name',
    artist_url    VARCHAR                COMMENT 'link to the artist',
    fetched_at    TIMESTAMP_NTZ          COMMENT 'when the answer that holds this row arrived, UTC',
    _file         VARCHAR NOT NULL       COMMENT 'key of the file in the bucket',
    _row          NUMBER(38,0) NOT NULL  COMMENT 'number of the row in the file',
    _loaded_at    TIMESTAMP_LTZ NOT NULL COMMENT 'when the pipe read the file'
)
COMMENT = 'one row per artist and day and file, as loaded';

CREATE TABLE IF NOT EXISTS <% database %>.LANDING.SONG_ARTIST (
    snapshot_date   DATE NOT NULL          COMMENT 'UTC day of the capture',
    song_id         VARCHAR NOT NULL       COMMENT 'the song',
    artist_position NUMBER(38,0) NOT NULL  COMMENT 'place among the artists, 1 is first',
    artist_id       VARCHAR                COMMENT 'the artist',
    _file           VARCHAR NOT NULL       COMMENT 'key of the file in the bucket',
    _row            NUMBER(38,0) NOT NULL  COMMENT 'number of the row in the file',
    _loaded_at      TIMESTAMP_LTZ NOT NULL COMMENT 'when the pipe read the file'
)
COMMENT = 'one row per artist of a song and day and file, as loaded';

-- HISTORY: the durable history.

USE ROLE SYSADMIN;

CREATE TABLE IF NOT EXISTS <% database %>.HISTORY.PLAYLIST (
    snapshot_date        DATE NOT NULL          COMMENT 'UTC day of the capture',
    playlist_id          VARCHAR NOT NULL       COMMENT 'Spotify''s id of the playlist',
    playlist_name        VARCHAR                COMMENT 'name',
    playlist_description VARCHAR                COMMENT 'description, may be empty',
    owner_id             VARCHAR                COMMENT 'Spotify id of the owner',
    owner_name           VARCHAR                COMMENT 'display name of the owner',
    is_public            BOOLEAN                COMMENT 'shown on the owner''s profile',
    is_collaborative     BOOLEAN                COMMENT 'others may edit it',
    snapshot_id          VARCHAR                COMMENT 'Spotify''s own version mark',
    followers            NUMBER(38,0)           COMMENT 'followers, where Spotify says',
    total_entries        NUMBER(38,0)           COMMENT 'entries, as Spotify counts them',
    playlist_url         VARCHAR                COMMENT 'link to the playlist',
    fetched_at           TIMESTAMP_NTZ NOT NULL COMMENT 'when the answer that holds this row arrived, UTC'
)
COMMENT = 'one row per playlist and day';

CREATE TABLE IF NOT EXISTS <% database %>.HISTORY.PLAYLIST_ENTRY (
    snapshot_date DATE NOT NULL         COMMENT 'UTC day of the capture',
    playlist_id   VARCHAR NOT NULL      COMMENT 'Spotify''s id of the playlist',
    position      NUMBER(38,0) NOT NULL COMMENT 'place in the playlist, 1 is the top',
    entry_type    VARCHAR NOT NULL      COMMENT 'track, episode, local (a file of the owner''s) or unavailable (nothing is there)',
    song_id       VARCHAR               COMMENT 'the song, null unless a track',
    entry_uri     VARCHAR               COMMENT 'Spotify''s address of the entry',
    entry_name    VARCHAR               COMMENT 'title as shown',
    added_at      TIMESTAMP_NTZ         COMMENT 'when it was added, UTC; may be null',
    added_by      VARCHAR               COMMENT 'Spotify id of who added it'
)
COMMENT = 'one row per slot of a playlist and day';

CREATE TABLE IF NOT EXISTS <% database %>.HISTORY.SONG (
    snapshot_date   DATE NOT NULL          COMMENT 'UTC day of the capture',
    song_id         VARCHAR NOT NULL       COMMENT 'Spotify''s id of the track',
    song_name       VARCHAR                COMMENT 'title',
    song_duration   NUMBER(38,0)           COMMENT 'length in milliseconds',
    song_explicit   BOOLEAN                COMMENT 'explicit lyrics',
    song_isrc       VARCHAR                COMMENT 'recording code, stable across releases',
    song_url        VARCHAR                COMMENT 'link to the song',
    song_popularity NUMBER(38,0)           COMMENT '0 to 100; null where withheld',
    song_added      DATE                   COMMENT 'earliest day it was added to any of the day''s playlists; null and 1970 left out',
    album_id        VARCHAR                COMMENT 'its album',
    artist_id       VARCHAR                COMMENT 'its first artist',
    disc_number     NUMBER(38,0)           COMMENT 'disc on the album',
    track_number    NUMBER(38,0)           COMMENT 'track on the disc',
    fetched_at      TIMESTAMP_NTZ NOT NULL COMMENT 'when the answer that holds this row arrived, UTC'
)
COMMENT = 'one row per song and day';

CREATE TABLE IF NOT EXISTS <% database %>.HISTORY.ALBUM (
    snapshot_date           DATE NOT NULL          COMMENT 'UTC day of the capture',
    album_id                VARCHAR NOT NULL       COMMENT 'Spotify''s id of the album',
    album_name              VARCHAR                COMMENT 'title, may be empty',
    album_type              VARCHAR                COMMENT 'album, single or compilation',
    album_release_date      DATE                   COMMENT 'release day; the first of the month or year where Spotify knows no more',
    album_release_precision VARCHAR                COMMENT 'year, month or day',
    album_total_tracks      NUMBER(38,0)           COMMENT 'tracks on the album',
    album_url               VARCHAR                COMMENT 'link to the album',
    album_image_url         VARCHAR                COMMENT 'widest cover image',
    artist_id               VARCHAR                COMMENT 'its first artist',
    fetched_at              TIMESTAMP_NTZ NOT NULL COMMENT 'when the answer that holds this row arrived, UTC'
)
COMMENT = 'one row per album and day';

CREATE TABLE IF NOT EXISTS <% database %>.HISTORY.ARTIST (
    snapshot_date DATE NOT NULL          COMMENT 'UTC day of the capture',
    artist_id     VARCHAR NOT NULL       COMMENT 'Spotify''s id of the artist',
    artist_name   VARCHAR                COMMENT 'name',
    artist_url    VARCHAR                COMMENT 'link to the artist',
    fetched_at    TIMESTAMP_NTZ NOT NULL COMMENT 'when the answer that holds this row arrived, UTC'
)
COMMENT = 'one row per artist and day';

CREATE TABLE IF NOT EXISTS <% database %>.HISTORY.SONG_ARTIST (
    snapshot_date   DATE NOT NULL         COMMENT 'UTC day of the capture',
    song_id         VARCHAR NOT NULL      COMMENT 'the song',
    artist_position NUMBER(38,0) NOT NULL COMMENT 'place among the artists, 1 is first',
    artist_id       VARCHAR NOT NULL      COMMENT 'the artist'
)
COMMENT = 'one row per artist of a song and day';

-- PUBLIC: one row per id, the latest that is known of it, with the days it was seen.

CREATE TABLE IF NOT EXISTS <% database %>.PUBLIC.TB_SONG (
    song_id         VARCHAR NOT NULL       COMMENT 'Spotify''s id of the track',
    song_name       VARCHAR                COMMENT 'title',
    song_duration   NUMBER(38,0)           COMMENT 'length in milliseconds',
    song_explicit   BOOLEAN                COMMENT 'explicit lyrics',
    song_isrc       VARCHAR                COMMENT 'recording code, stable across releases',
    song_url        VARCHAR                COMMENT 'link to the song',
    song_popularity NUMBER(38,0)           COMMENT '0 to 100; null where withheld',
    song_added      DATE                   COMMENT 'earliest day it was added to any of the day''s playlists; null and 1970 left out',
    album_id        VARCHAR                COMMENT 'its album',
    artist_id       VARCHAR                COMMENT 'its first artist',
    disc_number     NUMBER(38,0)           COMMENT 'disc on the album',
    track_number    NUMBER(38,0)           COMMENT 'track on the disc',
    fetched_at      TIMESTAMP_NTZ NOT NULL COMMENT 'when the answer that holds this row arrived, UTC',
    first_seen      DATE NOT NULL          COMMENT 'first day it was captured',
    last_seen       DATE NOT NULL          COMMENT 'last day it was captured'
)
COMMENT = 'one row per song';

CREATE TABLE IF NOT EXISTS <% database %>.PUBLIC.TB_ALBUM (
    album_id                VARCHAR NOT NULL       COMMENT 'Spotify''s id of the album',
    album_name              VARCHAR                COMMENT 'title, may be empty',
    album_type              VARCHAR                COMMENT 'album, single or compilation',
    album_release_date      DATE                   COMMENT 'release day; the first of the month or year where Spotify knows no more',
    album_release_precision VARCHAR                COMMENT 'year, month or day',
    album_total_tracks      NUMBER(38,0)           COMMENT 'tracks on the album',
    album_url               VARCHAR                COMMENT 'link to the album',
    album_image_url         VARCHAR                COMMENT 'widest cover image',
    artist_id               VARCHAR                COMMENT 'its first artist',
    fetched_at              TIMESTAMP_NTZ NOT NULL COMMENT 'when the answer that holds this row arrived, UTC',
    first_seen              DATE NOT NULL          COMMENT 'first day it was captured',
    last_seen               DATE NOT NULL          COMMENT 'last day it was captured'
)
COMMENT = 'one row per album';

CREATE TABLE IF NOT EXISTS <% database %>.PUBLIC.TB_ARTIST (
    artist_id   VARCHAR NOT NULL       COMMENT 'Spotify''s id of the artist',
    artist_name VARCHAR                COMMENT 'name',
    artist_url  VARCHAR                COMMENT 'link to the artist',
    fetched_at  TIMESTAMP_NTZ NOT NULL COMMENT 'when the answer that holds this row arrived, UTC',
    first_seen  DATE NOT NULL          COMMENT 'first day it was captured',
    last_seen   DATE NOT NULL          COMMENT 'last day it was captured'
)
COMMENT = 'one row per artist';

-- OPS

CREATE TABLE IF NOT EXISTS <% database %>.OPS.SCHEMA_VERSION (
    version    NUMBER(38,0) NOT NULL  COMMENT 'number of the file',
    name       VARCHAR NOT NULL       COMMENT 'name of the file',
    applied_at TIMESTAMP_NTZ NOT NULL COMMENT 'when it first ran, UTC'
)
COMMENT = 'one row per migration; the code wants each of its own and no other';

CREATE TABLE IF NOT EXISTS <% database %>.OPS.LEDGER (
    snapshot_date DATE NOT NULL          COMMENT 'UTC day of the capture',
    batch         NUMBER(38,0) NOT NULL  COMMENT 'number of the batch within the day',
    digest        VARCHAR NOT NULL       COMMENT 'fingerprint of what the batch was made from',
    published_at  TIMESTAMP_NTZ NOT NULL COMMENT 'when it was published, UTC',
    row_counts    VARCHAR NOT NULL       COMMENT 'JSON: rows by table'
)
COMMENT = 'one row per day: which batch is in HISTORY';

CREATE TABLE IF NOT EXISTS <% database %>.OPS.MISSED (
    snapshot_date DATE NOT NULL          COMMENT 'UTC day without a capture',
    playlist_id   VARCHAR NOT NULL       COMMENT 'Spotify''s id of the playlist',
    reason        VARCHAR NOT NULL       COMMENT 'what the last attempt ended with',
    noted_at      TIMESTAMP_NTZ NOT NULL COMMENT 'when it was noted, UTC'
)
COMMENT = 'one row per playlist and day that nobody can capture any more';

-- Statements that change a row shut each other out, those that add one do not. So that this holds
-- for a first publication too, there is a row to change from the beginning.
CREATE TABLE IF NOT EXISTS <% database %>.OPS.TURN (
    taken_at TIMESTAMP_NTZ NOT NULL COMMENT 'when somebody last took a turn at writing, UTC'
)
COMMENT = 'one row: who publishes changes it first, so that one comes after the other';

USE WAREHOUSE <% warehouse %>;

INSERT INTO <% database %>.OPS.TURN (taken_at)
SELECT SYSDATE()  -- SYSDATE is UTC
WHERE NOT EXISTS (SELECT 1 FROM <% database %>.OPS.TURN AS known);

INSERT INTO <% database %>.OPS.SCHEMA_VERSION (version, name, applied_at)
SELECT step.version, step.name, SYSDATE()
FROM (SELECT 50 AS version, '050_tables' AS name) AS step
WHERE NOT EXISTS (
    SELECT 1 FROM <% database %>.OPS.SCHEMA_VERSION AS known WHERE known.version = step.version
);
