-- Retention of the audit trail: the trigger lets go of what is old, and of nothing else. How long entries are kept is
-- configured; that none goes within 30 days is not, so whoever holds the application still cannot wipe their traces.
DROP TRIGGER audit_keeps_entries;

-- The newest entry always stays: the next id comes after it, so no id is ever used twice.
CREATE TRIGGER audit_keeps_entries BEFORE DELETE ON audit
WHEN OLD.at > (unixepoch() - 30 * 86400) * 1000 OR OLD.id = (SELECT max(id) FROM audit)
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

-- Whoever no entry names any more needs no pseudonym.
CREATE TRIGGER audit_drops_unnamed AFTER DELETE ON audit
BEGIN
  DELETE FROM audit_people WHERE pseudonym IN (OLD.actor, OLD.subject)
    AND NOT EXISTS (SELECT 1 FROM audit WHERE actor = audit_people.pseudonym)
    AND NOT EXISTS (SELECT 1 FROM audit WHERE subject = audit_people.pseudonym);
END;
