CREATE TABLE frame_resource (
  kind TEXT NOT NULL, name TEXT NOT NULL,
  version BIGINT NOT NULL, body TEXT NOT NULL,
  updated_at BIGINT NOT NULL, updated_by TEXT NOT NULL, source TEXT NOT NULL,
  PRIMARY KEY (kind, name)
);
CREATE TABLE frame_resource_version (
  kind TEXT NOT NULL, name TEXT NOT NULL, version BIGINT NOT NULL,
  body TEXT,
  updated_at BIGINT NOT NULL, updated_by TEXT NOT NULL, source TEXT NOT NULL, plan TEXT NOT NULL,
  PRIMARY KEY (kind, name, version)
);
CREATE INDEX frame_resource_version_plan ON frame_resource_version (plan);
