CREATE TABLE server_certificate (
  serial TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  issued_at BIGINT NOT NULL,
  not_after BIGINT NOT NULL,
  revoked_at BIGINT,
  reason TEXT
);
CREATE INDEX server_certificate_host ON server_certificate (host, issued_at);
