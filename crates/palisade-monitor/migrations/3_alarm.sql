-- an alarm, from its first sign that is told to its end; ids rise
CREATE TABLE monitor_alarm (
  id BIGINT PRIMARY KEY,
  rule TEXT NOT NULL, edition TEXT NOT NULL, policy BIGINT NOT NULL,
  host TEXT NOT NULL, object TEXT NOT NULL,
  state TEXT NOT NULL, stale BIGINT NOT NULL, severity TEXT NOT NULL, value DOUBLE PRECISION NOT NULL,
  since BIGINT NOT NULL, ended BIGINT, changed BIGINT NOT NULL,
  acknowledged_by TEXT, acknowledged_at BIGINT, acknowledged_note TEXT,
  body TEXT NOT NULL, cause TEXT
);
CREATE INDEX monitor_alarm_open ON monitor_alarm (rule, host, object, policy) WHERE ended IS NULL;
CREATE INDEX monitor_alarm_ended ON monitor_alarm (ended);
CREATE INDEX monitor_alarm_host ON monitor_alarm (host, state);
CREATE TABLE monitor_alarm_change (
  alarm BIGINT NOT NULL, at BIGINT NOT NULL, n BIGINT NOT NULL, state TEXT NOT NULL, value DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (alarm, at, n)
);
-- where judging stands on a host, as of its sample at `at`
CREATE TABLE monitor_alarm_judged (
  host TEXT PRIMARY KEY,
  at BIGINT NOT NULL, body TEXT NOT NULL
);
-- rules that go by events or findings
CREATE TABLE monitor_alarm_event_rule (
  rule TEXT PRIMARY KEY,
  kind TEXT NOT NULL, is_prefix BIGINT NOT NULL, clear TEXT, finding BIGINT NOT NULL
);
-- events that count towards a rule that needs several
CREATE TABLE monitor_alarm_hit (
  rule TEXT NOT NULL, host TEXT NOT NULL, at BIGINT NOT NULL, n BIGINT NOT NULL,
  PRIMARY KEY (rule, host, at, n)
);
CREATE TABLE monitor_alarm_basics (
  id BIGINT PRIMARY KEY,
  since BIGINT NOT NULL, by TEXT NOT NULL
);
