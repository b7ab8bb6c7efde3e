CREATE TABLE firewall_ban (
  cidr TEXT NOT NULL,
  host TEXT NOT NULL,
  plan TEXT NOT NULL,
  reason TEXT NOT NULL, by_name TEXT NOT NULL,
  since BIGINT NOT NULL, ends_at BIGINT, probation_until BIGINT,
  PRIMARY KEY (cidr, host, plan)
);
CREATE INDEX firewall_ban_plan ON firewall_ban (plan);
CREATE INDEX firewall_ban_host ON firewall_ban (host);
CREATE TABLE firewall_allow (
  cidr TEXT NOT NULL,
  host TEXT NOT NULL,
  plan TEXT NOT NULL,
  reason TEXT NOT NULL, by_name TEXT NOT NULL,
  since BIGINT NOT NULL, ends_at BIGINT,
  PRIMARY KEY (cidr, host)
);
