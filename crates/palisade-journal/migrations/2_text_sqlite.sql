-- SQLite only: the words of events, by the id of the event. PostgreSQL has tsvector for this.
CREATE VIRTUAL TABLE journal_event_text USING fts5 (
  message, object, actor, kind,
  content = '', contentless_delete = 1
);
