-- Answers that were given before, by the digest of everything that they depend on. `owner_id` is null where everyone may
-- have them. Removed by the cron trigger when nobody may have them any more.
CREATE TABLE answer_cache (
  key TEXT PRIMARY KEY,
  owner_id TEXT,
  text TEXT NOT NULL,
  model TEXT NOT NULL,
  finish_reason TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX answer_cache_owner ON answer_cache (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX answer_cache_expiry ON answer_cache (expires_at);
