-- Which of the numbered scripts this database has seen.
CREATE TABLE migrations (
    number     BIGINT PRIMARY KEY,
    applied_ns BIGINT NOT NULL      -- UTC, nanoseconds since 1970
);
