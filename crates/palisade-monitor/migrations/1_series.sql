CREATE TABLE monitor_series (
  host TEXT NOT NULL, id BIGINT NOT NULL, key TEXT NOT NULL,
  PRIMARY KEY (host, id)
);
CREATE UNIQUE INDEX monitor_series_key ON monitor_series (host, key);
CREATE TABLE monitor_latest (
  host TEXT PRIMARY KEY,
  at BIGINT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE monitor_second (
  host TEXT NOT NULL, at BIGINT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (host, at)
);
CREATE TABLE monitor_minute (
  host TEXT NOT NULL, at BIGINT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (host, at)
);
CREATE TABLE monitor_rollup5 (
  host TEXT NOT NULL, at BIGINT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (host, at)
);
CREATE TABLE monitor_rollup60 (
  host TEXT NOT NULL, at BIGINT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (host, at)
);
CREATE TABLE monitor_due (
  minutes BIGINT NOT NULL, at BIGINT NOT NULL, host TEXT NOT NULL,
  PRIMARY KEY (minutes, at, host)
);
