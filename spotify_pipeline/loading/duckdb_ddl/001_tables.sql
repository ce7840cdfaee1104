-- The tables of the DuckDB file. Run once, in one transaction, when a file is made or upgraded.
-- Never edit a migration that was released: add the next number.
-- Times are UTC. Columns are described in contract.py, and from there in COMMENTs.

CREATE SCHEMA landing;  -- what the pipes load: append-only, transit
CREATE SCHEMA history;  -- every day: exactly the rows of its current batch
CREATE SCHEMA ops;      -- what was published, what was missed
CREATE SCHEMA pipes;    -- the embedded pipe's own books
CREATE SCHEMA IF NOT EXISTS public;  -- what analysts query

-- LANDING: as the files say, with where each row came from. Only keys are NOT NULL, so that a
-- column may be added while older files still come in.

CREATE TABLE landing.playlist (
    snapshot_date        DATE NOT NULL,
    playlist_id          VARCHAR NOT NULL,
    playlist_name        VARCHAR,
    playlist_description VARCHAR,
    owner_id             VARCHAR,
    owner_name           VARCHAR,
    is_public            BOOLEAN,
    is_collaborative     BOOLEAN,
    snapshot_id          VARCHAR,
    followers            BIGINT,
    total_entries        BIGINT,
    playlist_url         VARCHAR,
    fetched_at           TIMESTAMP,
    _file                VARCHAR NOT NULL,
    _row                 BIGINT NOT NULL,
    _loaded_at           TIMESTAMP NOT NULL
);

CREATE TABLE landing.playlist_entry (
    snapshot_date DATE NOT NULL,
    playlist_id   VARCHAR NOT NULL,
    position      BIGINT NOT NULL,
    entry_type    VARCHAR,
    song_id       VARCHAR,
    entry_uri     VARCHAR,
    entry_name    VARCHAR,
    added_at      TIMESTAMP,
    added_by      VARCHAR,
    _file         VARCHAR NOT NULL,
    _row          BIGINT NOT NULL,
    _loaded_at    TIMESTAMP NOT NULL
);

CREATE TABLE landing.song (
    snapshot_date   DATE NOT NULL,
    song_id         VARCHAR NOT NULL,
    song_name       VARCHAR,
    song_duration   BIGINT,
    song_explicit   BOOLEAN,
    song_isrc       VARCHAR,
    song_url        VARCHAR,
    song_popularity BIGINT,
    song_added      DATE,
    album_id        VARCHAR,
    artist_id       VARCHAR,
    disc_number     BIGINT,
    track_number    BIGINT,
    fetched_at      TIMESTAMP,
    _file           VARCHAR NOT NULL,
    _row            BIGINT NOT NULL,
    _loaded_at      TIMESTAMP NOT NULL
);

CREATE TABLE landing.album (
    snapshot_date           DATE NOT NULL,
    album_id                VARCHAR NOT NULL,
    album_name              VARCHAR,
    album_type              VARCHAR,
    album_release_date      DATE,
    album_release_precision VARCHAR,
    album_total_tracks      BIGINT,
    album_url               VARCHAR,
    album_image_url         VARCHAR,
    artist_id               VARCHAR,
    fetched_at              TIMESTAMP,
    _file                   VARCHAR NOT NULL,
    _row                    BIGINT NOT NULL,
    _loaded_at              TIMESTAMP NOT NULL
);

CREATE TABLE landing.artist (
    snapshot_date DATE NOT NULL,
    artist_id     VARCHAR NOT NULL,
    artist_name   VARCHAR,
    artist_url    VARCHAR,
    fetched_at    TIMESTAMP,
    _file         VARCHAR NOT NULL,
    _row          BIGINT NOT NULL,
    _loaded_at    TIMESTAMP NOT NULL
);

CREATE TABLE landing.song_artist (
    snapshot_date   DATE NOT NULL,
    song_id         VARCHAR NOT NULL,
    artist_position BIGINT NOT NULL,
    artist_id       VARCHAR,
    _file           VARCHAR NOT NULL,
    _row            BIGINT NOT NULL,
    _loaded_at      TIMESTAMP NOT NULL
);

-- HISTORY: the durable history.

CREATE TABLE history.playlist (
    snapshot_date        DATE NOT NULL,
    playlist_id          VARCHAR NOT NULL,
    playlist_name        VARCHAR,
    playlist_description VARCHAR,
    owner_id             VARCHAR,
    owner_name           VARCHAR,
    is_public            BOOLEAN,
    is_collaborative     BOOLEAN,
    snapshot_id          VARCHAR,
    followers            BIGINT,
    total_entries        BIGINT,
    playlist_url         VARCHAR,
    fetched_at           TIMESTAMP NOT NULL
);

CREATE TABLE history.playlist_entry (
    snapshot_date DATE NOT NULL,
    playlist_id   VARCHAR NOT NULL,
    position      BIGINT NOT NULL,
    entry_type    VARCHAR NOT NULL,
    song_id       VARCHAR,
    entry_uri     VARCHAR,
    entry_name    VARCHAR,
    added_at      TIMESTAMP,
    added_by      VARCHAR
);

CREATE TABLE history.song (
    snapshot_date   DATE NOT NULL,
    song_id         VARCHAR NOT NULL,
    song_name       VARCHAR,
    song_duration   BIGINT,
    song_explicit   BOOLEAN,
    song_isrc       VARCHAR,
    song_url        VARCHAR,
    song_popularity BIGINT,
    song_added      DATE,
    album_id        VARCHAR,
    artist_id       VARCHAR,
    disc_number     BIGINT,
    track_number    BIGINT,
    fetched_at      TIMESTAMP NOT NULL
);

CREATE TABLE history.album (
    snapshot_date           DATE NOT NULL,
    album_id                VARCHAR NOT NULL,
    album_name              VARCHAR,
    album_type              VARCHAR,
    album_release_date      DATE,
    album_release_precision VARCHAR,
    album_total_tracks      BIGINT,
    album_url               VARCHAR,
    album_image_url         VARCHAR,
    artist_id               VARCHAR,
    fetched_at              TIMESTAMP NOT NULL
);

CREATE TABLE history.artist (
    snapshot_date DATE NOT NULL,
    artist_id     VARCHAR NOT NULL,
    artist_name   VARCHAR,
    artist_url    VARCHAR,
    fetched_at    TIMESTAMP NOT NULL
);

CREATE TABLE history.song_artist (
    snapshot_date   DATE NOT NULL,
    song_id         VARCHAR NOT NULL,
    artist_position BIGINT NOT NULL,
    artist_id       VARCHAR NOT NULL
);

-- PUBLIC: one row per id, the latest that is known of it, with the days it was seen.

CREATE TABLE public.tb_song (
    song_id         VARCHAR NOT NULL,
    song_name       VARCHAR,
    song_duration   BIGINT,
    song_explicit   BOOLEAN,
    song_isrc       VARCHAR,
    song_url        VARCHAR,
    song_popularity BIGINT,
    song_added      DATE,
    album_id        VARCHAR,
    artist_id       VARCHAR,
    disc_number     BIGINT,
    track_number    BIGINT,
    fetched_at      TIMESTAMP NOT NULL,
    first_seen      DATE NOT NULL,
    last_seen       DATE NOT NULL
);

CREATE TABLE public.tb_album (
    album_id                VARCHAR NOT NULL,
    album_name              VARCHAR,
    album_type              VARCHAR,
    album_release_date      DATE,
    album_release_precision VARCHAR,
    album_total_tracks      BIGINT,
    album_url               VARCHAR,
    album_image_url         VARCHAR,
    artist_id               VARCHAR,
    fetched_at              TIMESTAMP NOT NULL,
    first_seen              DATE NOT NULL,
    last_seen               DATE NOT NULL
);

CREATE TABLE public.tb_artist (
    artist_id     VARCHAR NOT NULL,
    artist_name   VARCHAR,
    artist_url    VARCHAR,
    fetched_at    TIMESTAMP NOT NULL,
    first_seen    DATE NOT NULL,
    last_seen     DATE NOT NULL
);

-- OPS

CREATE TABLE ops.schema_version (  -- one row per migration; the code refuses another newest one
    version    BIGINT NOT NULL,
    name       VARCHAR NOT NULL,
    applied_at TIMESTAMP NOT NULL
);

CREATE TABLE ops.ledger (  -- one row per day: which batch is in HISTORY
    snapshot_date DATE NOT NULL,
    batch         BIGINT NOT NULL,
    digest        VARCHAR NOT NULL,
    published_at  TIMESTAMP NOT NULL,
    row_counts    VARCHAR NOT NULL  -- JSON: rows by table
);

CREATE TABLE ops.missed (  -- one row per playlist and day that nobody can capture any more
    snapshot_date DATE NOT NULL,
    playlist_id   VARCHAR NOT NULL,
    reason        VARCHAR NOT NULL,
    noted_at      TIMESTAMP NOT NULL
);

-- PIPES: the names follow Snowflake's COPY_HISTORY.

CREATE TABLE pipes.pipe (
    pipe_name  VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    is_paused  BOOLEAN NOT NULL
);

CREATE TABLE pipes.copy_history (  -- one row per file name, for ever: a name is loaded once
    pipe_name               VARCHAR NOT NULL,
    table_name              VARCHAR NOT NULL,
    file_name               VARCHAR NOT NULL,
    status                  VARCHAR NOT NULL,
    row_count               BIGINT NOT NULL,
    first_error_message     VARCHAR,
    first_error_row_number  BIGINT,
    first_error_column_name VARCHAR,
    last_load_time          TIMESTAMP NOT NULL
);
