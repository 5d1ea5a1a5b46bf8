-- People: who registered, who came from an external identity provider, and guests whom an admin acted on.
CREATE TABLE users (
  id TEXT PRIMARY KEY,
  -- As it is shown; of external people, what their provider says, which nobody here has verified.
  email TEXT,
  -- What an account of ours is found by; null for everyone else.
  email_key TEXT UNIQUE,
  name TEXT NOT NULL,
  -- Null for who has no password here.
  password_hash TEXT,
  role TEXT NOT NULL,
  plan TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  suspended_at INTEGER,
  suspended_reason TEXT,
  last_seen_at INTEGER
) WITHOUT ROWID;

CREATE INDEX users_by_creation ON users (created_at DESC, id DESC);

-- One for each device that is signed in.
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL,
  agent TEXT NOT NULL,
  address TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user_id, last_used_at DESC);

-- What was given out, as SHA-256. Used ones stay until they expire: their reuse tells that somebody copied one.
CREATE TABLE refresh_tokens (
  hash TEXT PRIMARY KEY,
  session_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  -- The one that replaced it.
  next_hash TEXT
) WITHOUT ROWID;

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

-- Keys of machines: the secret part as SHA-256.
CREATE TABLE service_keys (
  id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL,
  name TEXT NOT NULL,
  hash TEXT NOT NULL,
  -- Separated by spaces.
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER
) WITHOUT ROWID;

CREATE INDEX service_keys_by_owner ON service_keys (owner_id, created_at DESC);
