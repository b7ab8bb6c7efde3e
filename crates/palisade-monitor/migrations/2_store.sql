-- rows wait here until they are sealed into chunks
ALTER TABLE monitor_minute RENAME TO monitor_raw;
CREATE TABLE monitor_chunk (
  host TEXT NOT NULL, tier BIGINT NOT NULL, block BIGINT NOT NULL, start BIGINT NOT NULL,
  points BIGINT NOT NULL, summed BIGINT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (host, tier, block, start)
);
CREATE INDEX monitor_chunk_age ON monitor_chunk (tier, start);
-- raw chunks that no rollup holds yet
CREATE INDEX monitor_chunk_open ON monitor_chunk (host, start) WHERE summed = 0;
DROP TABLE monitor_rollup5;
DROP TABLE monitor_rollup60;
DROP TABLE monitor_due;
ALTER TABLE monitor_latest ADD COLUMN step_s BIGINT NOT NULL DEFAULT 60;
ALTER TABLE monitor_latest ADD COLUMN stamp BIGINT NOT NULL DEFAULT 0;
ALTER TABLE monitor_latest ADD COLUMN rejected BIGINT NOT NULL DEFAULT 0;
ALTER TABLE monitor_latest ADD COLUMN rejected_last TEXT NOT NULL DEFAULT '';
ALTER TABLE monitor_latest ADD COLUMN unstored BIGINT NOT NULL DEFAULT 0;
