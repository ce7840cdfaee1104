-- The database with its schemas, and the warehouse that queries compute on.
-- Runs as SYSADMIN, who owns them. Safe to run again: what is there stays as it is.

USE ROLE SYSADMIN;

CREATE DATABASE IF NOT EXISTS <% database %>
    COMMENT = 'Daily snapshots of Spotify playlists';

CREATE SCHEMA IF NOT EXISTS <% database %>.LANDING
    COMMENT = 'what the pipes load: append-only, transit';
CREATE SCHEMA IF NOT EXISTS <% database %>.HISTORY
    COMMENT = 'every day: exactly the rows of its current batch';
CREATE SCHEMA IF NOT EXISTS <% database %>.PUBLIC  -- Snowflake makes it with the database
    COMMENT = 'what analysts query';
CREATE SCHEMA IF NOT EXISTS <% database %>.OPS
    COMMENT = 'what was published, what was missed';
CREATE SCHEMA IF NOT EXISTS <% database %>.PIPES
    COMMENT = 'how files get into LANDING: format, stage, pipes';

-- For publishing and queries. The pipes need none: Snowpipe brings its own compute.
CREATE WAREHOUSE IF NOT EXISTS <% warehouse %>
    WAREHOUSE_SIZE = XSMALL
    AUTO_SUSPEND = 60
    AUTO_RESUME = TRUE
    INITIALLY_SUSPENDED = TRUE
    COMMENT = 'Spotify pipeline: publishing and queries';
