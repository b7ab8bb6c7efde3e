-- how alarms cover each host, as it was told last
CREATE TABLE monitor_cover (
  host TEXT PRIMARY KEY,
  rules BIGINT NOT NULL, channels BIGINT NOT NULL, works BIGINT
);
