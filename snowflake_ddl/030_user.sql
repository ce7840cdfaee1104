-- The user that the pipeline signs in as: a service with a key, no password.
-- Runs as USERADMIN. Safe to run again: a user that is there stays as it is, its key too.
-- A new key: ALTER USER … SET RSA_PUBLIC_KEY_2, move the pipeline over, then UNSET RSA_PUBLIC_KEY.

USE ROLE USERADMIN;

CREATE USER IF NOT EXISTS <% service_user %>
    TYPE = SERVICE
    RSA_PUBLIC_KEY = '<% public_key %>'
    DEFAULT_ROLE = <% service_role %>
    DEFAULT_SECONDARY_ROLES = ()  -- nothing but its role
    DEFAULT_WAREHOUSE = <% warehouse %>
    DEFAULT_NAMESPACE = <% database %>.PUBLIC
    COMMENT = 'Spotify pipeline';

GRANT ROLE <% service_role %> TO USER <% service_user %>;
