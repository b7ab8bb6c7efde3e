CREATE TABLE frame_order (
  n BIGINT PRIMARY KEY,
  host TEXT NOT NULL, open BIGINT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX frame_order_open ON frame_order (open, host);
