-- The audit trail: who did what to whom or to what, from where. Append-only, and triggers keep it so.
--
-- People stand in it under a pseudonym that was drawn for them. Which person one is, is said by `audit_people` alone: an
-- erasure removes that row, and blanks from where the person's own entries came, which is the one change that is let
-- through. What happened, when and in which order stays; who it was can then no longer be told, not even with a key.
CREATE TABLE audit (
  -- Never reused, because nothing is ever deleted.
  id INTEGER NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL,
  action TEXT NOT NULL,
  -- Pseudonym of who did it; null when nobody had proved who they are.
  actor TEXT,
  actor_role TEXT,
  -- Pseudonym of the person it was done to, or else the thing.
  subject TEXT,
  resource TEXT,
  -- JSON: codes, counts and ids; nothing that somebody wrote.
  details TEXT,
  request_id TEXT NOT NULL,
  -- Without its last part.
  address TEXT,
  agent TEXT
);

CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_action ON audit (action, at);
CREATE INDEX audit_by_actor ON audit (actor, at) WHERE actor IS NOT NULL;
CREATE INDEX audit_by_subject ON audit (subject, at) WHERE subject IS NOT NULL;
CREATE INDEX audit_by_resource ON audit (resource, at) WHERE resource IS NOT NULL;

CREATE TABLE audit_people (
  user_id TEXT NOT NULL PRIMARY KEY,
  pseudonym TEXT NOT NULL UNIQUE
) WITHOUT ROWID;

CREATE TRIGGER audit_keeps_entries BEFORE DELETE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER audit_keeps_content BEFORE UPDATE ON audit
WHEN NOT (
  NEW.address IS NULL AND NEW.agent IS NULL AND NEW.id IS OLD.id AND NEW.at IS OLD.at AND NEW.action IS OLD.action
  AND NEW.actor IS OLD.actor AND NEW.actor_role IS OLD.actor_role AND NEW.subject IS OLD.subject
  AND NEW.resource IS OLD.resource AND NEW.details IS OLD.details AND NEW.request_id IS OLD.request_id
)
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

-- REPLACE would delete a row without asking the trigger for deletes.
CREATE TRIGGER audit_replaces_nothing BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

-- Receipts of erasures: that one was asked for and done, and how much it removed; not whose.
CREATE TABLE erasures (
  id TEXT NOT NULL PRIMARY KEY,
  requested_at INTEGER NOT NULL,
  finished_at INTEGER,
  -- JSON: how many of each kind.
  removed TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX erasures_by_end ON erasures (finished_at) WHERE finished_at IS NOT NULL;
