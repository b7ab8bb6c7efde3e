CREATE TABLE server_join_token (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  profile TEXT NOT NULL,
  region TEXT,
  tags TEXT NOT NULL,
  uses_left BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE TABLE server_join (
  token TEXT NOT NULL,
  host TEXT NOT NULL,
  joined_at BIGINT NOT NULL,
  PRIMARY KEY (token, host)
);
