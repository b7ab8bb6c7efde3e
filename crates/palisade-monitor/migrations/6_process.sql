CREATE TABLE monitor_process (
  host TEXT NOT NULL, at BIGINT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (host, at)
);
CREATE INDEX monitor_process_at ON monitor_process (at);
CREATE TABLE monitor_process_hour (
  host TEXT NOT NULL, at BIGINT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (host, at)
);
CREATE INDEX monitor_process_hour_at ON monitor_process_hour (at);
