-- The storage integration: how Snowflake gets into the bucket.
-- Runs as ACCOUNTADMIN (or who has CREATE INTEGRATION). Safe to run again: one that is there stays.
--
-- Never OR REPLACE: the new one would have another hidden id, and every stage would lose its link.
-- To change it: ALTER STORAGE INTEGRATION … SET. The external id is ours, not one that Snowflake
-- makes up, so that the trust policy outlives the integration.
--
-- Next: DESC INTEGRATION <% integration %> shows STORAGE_AWS_IAM_USER_ARN. Let that user assume the
-- AWS role, if it names the external id (README, "AWS"). The pipes (070) need it.

USE ROLE ACCOUNTADMIN;

CREATE STORAGE INTEGRATION IF NOT EXISTS <% integration %>
    TYPE = EXTERNAL_STAGE
    STORAGE_PROVIDER = 'S3'
    STORAGE_AWS_ROLE_ARN = '<% role_arn %>'
    STORAGE_AWS_EXTERNAL_ID = '<% external_id %>'
    ENABLED = TRUE
    STORAGE_ALLOWED_LOCATIONS = ('<% bucket_url %>')
    COMMENT = 'Spotify pipeline: reads the lake';

GRANT USAGE ON INTEGRATION <% integration %> TO ROLE <% loader_role %>;
-- So that `spotify-pipeline doctor` may list the stage. It gives no data: what a stage reads takes
-- USAGE on the stage, and making one takes CREATE STAGE, which the service role has nowhere.
GRANT USAGE ON INTEGRATION <% integration %> TO ROLE <% service_role %>;
