-- How files get into LANDING: the file format, the stage, and a pipe for each table.
-- Runs as the loader role, who owns them: Snowpipe loads with its rights (SYSADMIN notes the
-- version). CREATE PIPE assumes the AWS role, so the trust policy must be in place (040). If it was
-- made just now, wait a minute.
-- Safe to run again: what is there stays as it is. Never OR REPLACE here: a pipe remembers for 14
-- days which files it has loaded, and a new one may load them again; a new stage or format stops
-- the pipes that name the old one.
--
-- Schema version 70. Never edit a migration that was released: add the next number (README).

USE ROLE <% loader_role %>;

-- Our CSV: gzip, UTF-8, RFC 4180 with a header. An empty field is null, "" is an empty string, and
-- every other text is what it says, the word NULL and backslashes too.
CREATE FILE FORMAT IF NOT EXISTS <% database %>.PIPES.csv_fileformat
    TYPE = CSV
    COMPRESSION = GZIP
    ENCODING = 'UTF8'
    REPLACE_INVALID_CHARACTERS = FALSE      -- broken UTF-8 fails the file
    PARSE_HEADER = TRUE                     -- columns match by name
    FIELD_DELIMITER = ','
    FIELD_OPTIONALLY_ENCLOSED_BY = '"'      -- "" within quotes is one quote
    MULTI_LINE = TRUE                       -- line breaks within quotes are data
    SKIP_BLANK_LINES = FALSE
    TRIM_SPACE = FALSE                      -- blanks at the ends are data
    ESCAPE = NONE                           -- a backslash is a backslash, within quotes …
    ESCAPE_UNENCLOSED_FIELD = NONE          -- … and without, where by default it would escape
    EMPTY_FIELD_AS_NULL = TRUE              -- ,, is null
    NULL_IF = ()                            -- nothing else is: neither \N nor ""
    ERROR_ON_COLUMN_COUNT_MISMATCH = FALSE  -- INCLUDE_METADATA asks for it; names match, not places
    DATE_FORMAT = 'YYYY-MM-DD'
    TIMESTAMP_FORMAT = AUTO                 -- with and without a fraction of the second
    COMMENT = 'CSV of the lake: RFC 4180 with header, empty field is null';

-- The lake. Its URL ends with a slash: without, s3://bucket/lake would be s3://bucket/lake2 too.
CREATE STAGE IF NOT EXISTS <% database %>.PIPES.spotify_stage
    URL = '<% bucket_url %>'
    STORAGE_INTEGRATION = <% integration %>
    COMMENT = 'the lake';

-- A pipe takes every new file below its path, whole or not at all (SKIP_FILE). Columns match by
-- name, so none is named here, and a column that is added touches no pipe. _file is the whole key
-- in the bucket, the lake's prefix included. The time is that of the scan: the clock's functions
-- are evaluated when a pipe is compiled, which may be hours before.

CREATE PIPE IF NOT EXISTS <% database %>.PIPES.playlist_pipe
    AUTO_INGEST = TRUE
    COMMENT = 'loads LANDING.PLAYLIST'
AS
COPY INTO <% database %>.LANDING.PLAYLIST
FROM @<% database %>.PIPES.spotify_stage/transformed_data/playlist_data/
FILE_FORMAT = (FORMAT_NAME = '<% database %>.PIPES.csv_fileformat')
MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE
INCLUDE_METADATA = (
    _file = METADATA$FILENAME,
    _row = METADATA$FILE_ROW_NUMBER,
    _loaded_at = METADATA$START_SCAN_TIME
)
ON_ERROR = SKIP_FILE;

CREATE PIPE IF NOT EXISTS <% database %>.PIPES.playlist_entry_pipe
    AUTO_INGEST = TRUE
    COMMENT = 'loads LANDING.PLAYLIST_ENTRY'
AS
COPY INTO <% database %>.LANDING.PLAYLIST_ENTRY
FROM @<% database %>.PIPES.spotify_stage/transformed_data/playlist_entry_data/
FILE_FORMAT = (FORMAT_NAME = '<% database %>.PIPES.csv_fileformat')
MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE
INCLUDE_METADATA = (
    _file = METADATA$FILENAME,
    _row = METADATA$FILE_ROW_NUMBER,
    _loaded_at = METADATA$START_SCAN_TIME
)
ON_ERROR = SKIP_FILE;

CREATE PIPE IF NOT EXISTS <% database %>.PIPES.song_pipe
    AUTO_INGEST = TRUE
    COMMENT = 'loads LANDING.SONG'
AS
COPY INTO <% database %>.LANDING.SONG
FROM @<% database %>.PIPES.spotify_stage/transformed_data/song_data/
FILE_FORMAT = (FORMAT_NAME = '<% database %>.PIPES.csv_fileformat')
MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE
INCLUDE_METADATA = (
    _file = METADATA$FILENAME,
    _row = METADATA$FILE_ROW_NUMBER,
    _loaded_at = METADATA$START_SCAN_TIME
)
ON_ERROR = SKIP_FILE;

CREATE PIPE IF NOT EXISTS <% database %>.PIPES.album_pipe
    AUTO_INGEST = TRUE
    COMMENT = 'loads LANDING.ALBUM'
AS
COPY INTO <% database %>.LANDING.ALBUM
FROM @<% database %>.PIPES.spotify_stage/transformed_data/album_data/
FILE_FORMAT = (FORMAT_NAME = '<% database %>.PIPES.csv_fileformat')
MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE
INCLUDE_METADATA = (
    _file = METADATA$FILENAME,
    _row = METADATA$FILE_ROW_NUMBER,
    _loaded_at = METADATA$START_SCAN_TIME
)
ON_ERROR = SKIP_FILE;

CREATE PIPE IF NOT EXISTS <% database %>.PIPES.artist_pipe
    AUTO_INGEST = TRUE
    COMMENT = 'loads LANDING.ARTIST'
AS
COPY INTO <% database %>.LANDING.ARTIST
FROM @<% database %>.PIPES.spotify_stage/transformed_data/artist_data/
FILE_FORMAT = (FORMAT_NAME = '<% database %>.PIPES.csv_fileformat')
MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE
INCLUDE_METADATA = (
    _file = METADATA$FILENAME,
    _row = METADATA$FILE_ROW_NUMBER,
    _loaded_at = METADATA$START_SCAN_TIME
)
ON_ERROR = SKIP_FILE;

CREATE PIPE IF NOT EXISTS <% database %>.PIPES.song_artist_pipe
    AUTO_INGEST = TRUE
    COMMENT = 'loads LANDING.SONG_ARTIST'
AS
COPY INTO <% database %>.LANDING.SONG_ARTIST
FROM @<% database %>.PIPES.spotify_stage/transformed_data/song_artist_data/
FILE_FORMAT = (FORMAT_NAME = '<% database %>.PIPES.csv_fileformat')
MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE
INCLUDE_METADATA = (
    _file = METADATA$FILENAME,
    _row = METADATA$FILE_ROW_NUMBER,
    _loaded_at = METADATA$START_SCAN_TIME
)
ON_ERROR = SKIP_FILE;

USE ROLE SYSADMIN;
USE WAREHOUSE <% warehouse %>;

INSERT INTO <% database %>.OPS.SCHEMA_VERSION (version, name, applied_at)
SELECT step.version, step.name, SYSDATE()  -- SYSDATE is UTC
FROM (SELECT 70 AS version, '070_pipes' AS name) AS step
WHERE NOT EXISTS (
    SELECT 1 FROM <% database %>.OPS.SCHEMA_VERSION AS known WHERE known.version = step.version
);
