-- The roles, who holds which, and what they may do with database, schemas and warehouse.
-- Runs as USERADMIN (roles) and SYSADMIN (grants on what it owns). Safe to run again.
-- What they may do with tables, views and pipes is in 080, when these exist.

USE ROLE USERADMIN;

CREATE ROLE IF NOT EXISTS <% loader_role %>
    COMMENT = 'Spotify pipeline: owns LANDING tables, stage, format, pipes; Snowpipe loads as it';
CREATE ROLE IF NOT EXISTS <% reader_role %>
    COMMENT = 'Spotify pipeline: queries HISTORY, PUBLIC and OPS';
CREATE ROLE IF NOT EXISTS <% publisher_role %>
    COMMENT = 'Spotify pipeline: a reader who brings rows from LANDING to HISTORY and PUBLIC';
CREATE ROLE IF NOT EXISTS <% monitor_role %>
    COMMENT = 'Spotify pipeline: sees how the pipes fare, but no data';
CREATE ROLE IF NOT EXISTS <% service_role %>
    COMMENT = 'Spotify pipeline: what its service user has: publisher, monitor, pause and resume';

-- reader -> publisher -> service <- monitor: the service user needs one role.
GRANT ROLE <% reader_role %> TO ROLE <% publisher_role %>;
GRANT ROLE <% publisher_role %> TO ROLE <% service_role %>;
GRANT ROLE <% monitor_role %> TO ROLE <% service_role %>;

-- So that administrators see and manage what these roles own. The loader is nobody else's: no key
-- that lies on a server can change or drop a pipe, or a table of LANDING. Adding rows to LANDING is
-- another matter: the service role may (080), because Snowflake asks for it where a pipe is
-- refreshed. The publisher role alone may not.
GRANT ROLE <% loader_role %> TO ROLE SYSADMIN;
GRANT ROLE <% service_role %> TO ROLE SYSADMIN;

USE ROLE SYSADMIN;

GRANT USAGE ON DATABASE <% database %> TO ROLE <% loader_role %>;
GRANT USAGE ON DATABASE <% database %> TO ROLE <% reader_role %>;
GRANT USAGE ON DATABASE <% database %> TO ROLE <% monitor_role %>;

-- loader: makes its own objects, so that no ownership has to be handed over (which stops a pipe).
GRANT USAGE, CREATE TABLE ON SCHEMA <% database %>.LANDING TO ROLE <% loader_role %>;
GRANT USAGE, CREATE FILE FORMAT, CREATE STAGE, CREATE PIPE
    ON SCHEMA <% database %>.PIPES TO ROLE <% loader_role %>;

GRANT USAGE ON SCHEMA <% database %>.HISTORY TO ROLE <% reader_role %>;
GRANT USAGE ON SCHEMA <% database %>.PUBLIC TO ROLE <% reader_role %>;
GRANT USAGE ON SCHEMA <% database %>.OPS TO ROLE <% reader_role %>;

GRANT USAGE ON SCHEMA <% database %>.LANDING TO ROLE <% publisher_role %>;

-- monitor: COPY_HISTORY asks for the schema of the pipe and that of the table.
GRANT USAGE ON SCHEMA <% database %>.PIPES TO ROLE <% monitor_role %>;
GRANT USAGE ON SCHEMA <% database %>.LANDING TO ROLE <% monitor_role %>;

GRANT USAGE ON WAREHOUSE <% warehouse %> TO ROLE <% reader_role %>;
GRANT USAGE ON WAREHOUSE <% warehouse %> TO ROLE <% monitor_role %>;
