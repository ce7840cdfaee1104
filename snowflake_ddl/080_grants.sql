-- What the roles may do with tables, views, pipes, stages and file formats, also with those that
-- are made later: by another migration, or by 070 where one of them was dropped.
-- Runs as SECURITYADMIN: only MANAGE GRANTS may speak of future objects (SYSADMIN notes the
-- version). Safe to run again.
--
-- Schema version 80. Never edit a migration that was released: add the next number (README).

USE ROLE SECURITYADMIN;

-- reader: the tables and views that people query.
GRANT SELECT ON ALL TABLES IN SCHEMA <% database %>.HISTORY TO ROLE <% reader_role %>;
GRANT SELECT ON FUTURE TABLES IN SCHEMA <% database %>.HISTORY TO ROLE <% reader_role %>;
GRANT SELECT ON ALL TABLES IN SCHEMA <% database %>.PUBLIC TO ROLE <% reader_role %>;
GRANT SELECT ON FUTURE TABLES IN SCHEMA <% database %>.PUBLIC TO ROLE <% reader_role %>;
GRANT SELECT ON ALL TABLES IN SCHEMA <% database %>.OPS TO ROLE <% reader_role %>;
GRANT SELECT ON FUTURE TABLES IN SCHEMA <% database %>.OPS TO ROLE <% reader_role %>;
GRANT SELECT ON ALL VIEWS IN SCHEMA <% database %>.PUBLIC TO ROLE <% reader_role %>;
GRANT SELECT ON FUTURE VIEWS IN SCHEMA <% database %>.PUBLIC TO ROLE <% reader_role %>;

-- publisher: a reader (020) who also reads LANDING, replaces rows of HISTORY and PUBLIC, and writes
-- into the books. Nothing else: by itself it can't change LANDING, nor say which schema version
-- this is.
GRANT SELECT ON ALL TABLES IN SCHEMA <% database %>.LANDING TO ROLE <% publisher_role %>;
GRANT SELECT ON FUTURE TABLES IN SCHEMA <% database %>.LANDING TO ROLE <% publisher_role %>;
GRANT INSERT, DELETE ON ALL TABLES IN SCHEMA <% database %>.HISTORY
    TO ROLE <% publisher_role %>;
GRANT INSERT, DELETE ON FUTURE TABLES IN SCHEMA <% database %>.HISTORY
    TO ROLE <% publisher_role %>;
GRANT INSERT, DELETE ON ALL TABLES IN SCHEMA <% database %>.PUBLIC
    TO ROLE <% publisher_role %>;
GRANT INSERT, DELETE ON FUTURE TABLES IN SCHEMA <% database %>.PUBLIC
    TO ROLE <% publisher_role %>;
GRANT INSERT, UPDATE ON TABLE <% database %>.OPS.LEDGER TO ROLE <% publisher_role %>;
GRANT INSERT ON TABLE <% database %>.OPS.MISSED TO ROLE <% publisher_role %>;
GRANT UPDATE ON TABLE <% database %>.OPS.TURN TO ROLE <% publisher_role %>;

-- monitor: COPY_HISTORY shows the files of a table to who has any right on it. REFERENCES is the
-- least there is: the columns' names, no data.
GRANT REFERENCES ON ALL TABLES IN SCHEMA <% database %>.LANDING TO ROLE <% monitor_role %>;
GRANT REFERENCES ON FUTURE TABLES IN SCHEMA <% database %>.LANDING TO ROLE <% monitor_role %>;

-- service: what `spotify-pipeline doctor --repair` needs to have a pipe look again for files
-- (ALTER PIPE … REFRESH) besides OPERATE on it, below. Snowflake asks for INSERT on the table,
-- though the pipe loads as the loader. So who has the service's key can add rows to LANDING, but
-- change and delete none; what is published it can write anyway, being the publisher.
GRANT INSERT ON ALL TABLES IN SCHEMA <% database %>.LANDING TO ROLE <% service_role %>;
GRANT INSERT ON FUTURE TABLES IN SCHEMA <% database %>.LANDING TO ROLE <% service_role %>;
GRANT USAGE ON ALL STAGES IN SCHEMA <% database %>.PIPES TO ROLE <% service_role %>;
GRANT USAGE ON FUTURE STAGES IN SCHEMA <% database %>.PIPES TO ROLE <% service_role %>;
GRANT USAGE ON ALL FILE FORMATS IN SCHEMA <% database %>.PIPES TO ROLE <% service_role %>;
GRANT USAGE ON FUTURE FILE FORMATS IN SCHEMA <% database %>.PIPES TO ROLE <% service_role %>;

-- Pipes, one by one and those to come: Snowflake grants nothing on all pipes of a schema that are
-- there. MONITOR sees the state, and the names of pipes in COPY_HISTORY and in the information
-- schema. OPERATE pauses, resumes and refreshes.
GRANT MONITOR ON FUTURE PIPES IN SCHEMA <% database %>.PIPES TO ROLE <% monitor_role %>;
GRANT OPERATE ON FUTURE PIPES IN SCHEMA <% database %>.PIPES TO ROLE <% service_role %>;
GRANT MONITOR ON PIPE <% database %>.PIPES.playlist_pipe TO ROLE <% monitor_role %>;
GRANT MONITOR ON PIPE <% database %>.PIPES.playlist_entry_pipe TO ROLE <% monitor_role %>;
GRANT MONITOR ON PIPE <% database %>.PIPES.song_pipe TO ROLE <% monitor_role %>;
GRANT MONITOR ON PIPE <% database %>.PIPES.album_pipe TO ROLE <% monitor_role %>;
GRANT MONITOR ON PIPE <% database %>.PIPES.artist_pipe TO ROLE <% monitor_role %>;
GRANT MONITOR ON PIPE <% database %>.PIPES.song_artist_pipe TO ROLE <% monitor_role %>;
GRANT OPERATE ON PIPE <% database %>.PIPES.playlist_pipe TO ROLE <% service_role %>;
GRANT OPERATE ON PIPE <% database %>.PIPES.playlist_entry_pipe TO ROLE <% service_role %>;
GRANT OPERATE ON PIPE <% database %>.PIPES.song_pipe TO ROLE <% service_role %>;
GRANT OPERATE ON PIPE <% database %>.PIPES.album_pipe TO ROLE <% service_role %>;
GRANT OPERATE ON PIPE <% database %>.PIPES.artist_pipe TO ROLE <% service_role %>;
GRANT OPERATE ON PIPE <% database %>.PIPES.song_artist_pipe TO ROLE <% service_role %>;

USE ROLE SYSADMIN;
USE WAREHOUSE <% warehouse %>;

INSERT INTO <% database %>.OPS.SCHEMA_VERSION (version, name, applied_at)
SELECT step.version, step.name, SYSDATE()  -- SYSDATE is UTC
FROM (SELECT 80 AS version, '080_grants' AS name) AS step
WHERE NOT EXISTS (
    SELECT 1 FROM <% database %>.OPS.SCHEMA_VERSION AS known WHERE known.version = step.version
);
