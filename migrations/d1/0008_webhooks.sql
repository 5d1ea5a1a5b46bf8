-- Endpoints that are told of events by signed requests: people's own, and those of the operators.
CREATE TABLE webhooks (
  id TEXT NOT NULL PRIMARY KEY,
  -- Whose it is; null: the operators'.
  owner_id TEXT,
  url TEXT NOT NULL,
  -- Separated by spaces.
  events TEXT NOT NULL,
  -- Sealed; and the one before it, which signs too until a while after it was replaced.
  secret TEXT NOT NULL,
  previous_secret TEXT,
  previous_until INTEGER,
  created_at INTEGER NOT NULL,
  disabled_at INTEGER,
  disabled_reason TEXT,
  -- To the minute, so that a busy endpoint is not written with each delivery.
  last_success_at INTEGER,
  last_failure_at INTEGER,
  -- Deliveries given up since the last success.
  dead_in_a_row INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX webhooks_by_owner ON webhooks (owner_id, created_at);

-- What became of each attempt, for some days. In the order in which it is read, so that no index has to be written.
CREATE TABLE webhook_deliveries (
  endpoint_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  type TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  failure TEXT,
  status INTEGER,
  duration_ms INTEGER NOT NULL,
  PRIMARY KEY (endpoint_id, at, event_id)
) WITHOUT ROWID;
