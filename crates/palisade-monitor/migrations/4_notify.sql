-- What is to be told: the newest state of each thing, by its key.
CREATE TABLE monitor_notice (
  key TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  state TEXT NOT NULL,
  starts_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  taken INTEGER NOT NULL,
  done INTEGER NOT NULL,
  acknowledged_by TEXT
);
CREATE INDEX monitor_notice_taken ON monitor_notice (taken, done);
-- What each channel was last told of it.
CREATE TABLE monitor_told (
  notice TEXT NOT NULL, channel TEXT NOT NULL,
  state TEXT NOT NULL, severity TEXT NOT NULL, starts_at BIGINT NOT NULL,
  first_at BIGINT NOT NULL, at BIGINT NOT NULL,
  group_key TEXT NOT NULL, delivery BIGINT NOT NULL,
  PRIMARY KEY (notice, channel)
);
-- When a group was last told to a channel, and how many times.
CREATE TABLE monitor_group (
  group_key TEXT NOT NULL, channel TEXT NOT NULL,
  sent_at BIGINT NOT NULL, sequence BIGINT NOT NULL,
  PRIMARY KEY (group_key, channel)
);
-- What is on its way: waiting, sending, sent or dead.
CREATE TABLE monitor_delivery (
  id BIGINT PRIMARY KEY,
  channel TEXT NOT NULL, group_key TEXT NOT NULL, sequence BIGINT NOT NULL,
  title TEXT NOT NULL, body TEXT NOT NULL,
  state TEXT NOT NULL, attempts BIGINT NOT NULL, next_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL, sent_at BIGINT, error TEXT
);
CREATE INDEX monitor_delivery_state ON monitor_delivery (state, next_at);
CREATE INDEX monitor_delivery_group ON monitor_delivery (channel, group_key, state);
CREATE TABLE monitor_channel (
  name TEXT PRIMARY KEY,
  ok_at BIGINT, error TEXT, error_at BIGINT
);
CREATE TABLE monitor_secret (
  name TEXT PRIMARY KEY,
  sealed TEXT NOT NULL, updated_at BIGINT NOT NULL, updated_by TEXT NOT NULL
);
