-- The id is made of the time, so that it is the order of events everywhere: see store.rs.
CREATE TABLE journal_event (
  id BIGINT PRIMARY KEY,
  time BIGINT NOT NULL,
  kind TEXT NOT NULL,
  host TEXT,
  severity TEXT NOT NULL,
  outcome TEXT NOT NULL,
  actor TEXT NOT NULL,
  from_ TEXT,
  object TEXT,
  message TEXT NOT NULL,
  audit BIGINT NOT NULL,
  data TEXT
);
CREATE INDEX journal_event_host ON journal_event (host, id);
CREATE INDEX journal_event_audit ON journal_event (audit, id);
