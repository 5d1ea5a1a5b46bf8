-- Who is in a conversation of somebody else. Told by the conversation, which decides; here only for lists.
CREATE TABLE memberships (
  user_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  role TEXT NOT NULL,
  PRIMARY KEY (user_id, conversation_id)
) WITHOUT ROWID;

CREATE INDEX memberships_by_conversation ON memberships (conversation_id);

-- Where a link leads, by the SHA-256 of its token. Whether it still serves is decided by the conversation.
CREATE TABLE links (
  hash TEXT PRIMARY KEY NOT NULL,
  kind TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  expires_at INTEGER
) WITHOUT ROWID;

CREATE INDEX links_by_conversation ON links (conversation_id);
