ALTER TABLE server_user ADD COLUMN disabled BIGINT NOT NULL DEFAULT 0;
ALTER TABLE server_user ADD COLUMN password_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE server_user ADD COLUMN signed_in_at BIGINT;
ALTER TABLE server_user ADD COLUMN totp TEXT;
ALTER TABLE server_user ADD COLUMN totp_pending TEXT;
ALTER TABLE server_user ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
UPDATE server_user SET password_at = created_at;
CREATE TABLE server_password (
  name TEXT NOT NULL,
  hash TEXT NOT NULL,
  ended_at BIGINT NOT NULL
);
CREATE TABLE server_recovery (
  name TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (name, hash)
);
CREATE TABLE server_known (
  name TEXT NOT NULL,
  place TEXT NOT NULL,
  seen_at BIGINT NOT NULL,
  PRIMARY KEY (name, place)
);
CREATE TABLE server_failure (
  name TEXT NOT NULL,
  place TEXT NOT NULL,
  at BIGINT NOT NULL
);
CREATE INDEX server_failure_at ON server_failure (at);
ALTER TABLE server_link ADD COLUMN name TEXT;
DROP TABLE server_session;
CREATE TABLE server_session (
  hash TEXT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  csrf TEXT NOT NULL,
  address TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
