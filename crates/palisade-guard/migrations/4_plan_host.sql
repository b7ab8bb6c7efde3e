ALTER TABLE frame_plan ADD COLUMN state TEXT NOT NULL DEFAULT '';
ALTER TABLE frame_plan ADD COLUMN reason TEXT;
ALTER TABLE frame_plan ADD COLUMN hosts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE frame_plan ADD COLUMN waiting BIGINT NOT NULL DEFAULT 0;
ALTER TABLE frame_plan ADD COLUMN applied BIGINT NOT NULL DEFAULT 0;
ALTER TABLE frame_plan ADD COLUMN failed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE frame_plan ADD COLUMN rolled_back BIGINT NOT NULL DEFAULT 0;
CREATE INDEX frame_plan_state ON frame_plan (state);
CREATE TABLE frame_plan_host (
  plan BIGINT NOT NULL, host TEXT NOT NULL,
  guard TEXT NOT NULL,
  epoch BIGINT NOT NULL, n BIGINT NOT NULL,
  wanted TEXT NOT NULL,
  state TEXT NOT NULL,
  at BIGINT, error TEXT, report TEXT,
  PRIMARY KEY (plan, host)
);
CREATE INDEX frame_plan_host_state ON frame_plan_host (host, guard, state);
