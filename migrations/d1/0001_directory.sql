-- The directory of conversations: what a list shows. Each conversation keeps its own row up to date.
CREATE TABLE conversations (
  id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL,
  title TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_activity_at INTEGER NOT NULL,
  message_count INTEGER NOT NULL,
  -- The log position that this row tells; an older one never overwrites a newer one.
  seq INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX conversations_by_activity ON conversations (owner_id, last_activity_at DESC, id DESC);

-- What this installation made for itself (locally: the signing secret).
CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
