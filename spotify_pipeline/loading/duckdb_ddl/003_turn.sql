-- Whose turn it is to write. Here one session comes after the other in any case; on Snowflake this
-- row is what they wait for.

CREATE TABLE ops.turn (  -- one row: who publishes changes it first
    taken_at TIMESTAMP NOT NULL
);

INSERT INTO ops.turn SELECT current_timestamp::TIMESTAMP;
