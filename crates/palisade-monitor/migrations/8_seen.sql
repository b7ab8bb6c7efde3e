-- the last day (since 1970) on which a series had a sample; nothing is known of those that are there
ALTER TABLE monitor_series ADD COLUMN seen_day BIGINT NOT NULL DEFAULT 0;
UPDATE monitor_series SET seen_day = COALESCE(
  (SELECT l.at / 86400 FROM monitor_latest l WHERE l.host = monitor_series.host), 0);
-- the largest number that a series of the host has ever had: none is used twice
ALTER TABLE monitor_latest ADD COLUMN series_last BIGINT NOT NULL DEFAULT 0;
UPDATE monitor_latest SET series_last = COALESCE(
  (SELECT MAX(s.id) FROM monitor_series s WHERE s.host = monitor_latest.host), 0);
