CREATE TABLE inventory_change (
  n BIGINT PRIMARY KEY,
  host TEXT NOT NULL,
  section TEXT NOT NULL,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX inventory_change_at ON inventory_change (at);
CREATE INDEX inventory_change_host ON inventory_change (host, at);
