-- The ledger: what each person used, per day, conversation, agent and model. Conversations add to it when turns end.
CREATE TABLE usage (
  user_id TEXT NOT NULL,
  -- YYYY-MM-DD, UTC, of the turn's end.
  day TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  model TEXT NOT NULL,
  messages INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  -- Micro-dollars.
  cost INTEGER NOT NULL,
  -- 0: this model had no known price.
  priced INTEGER NOT NULL,
  -- The position in the conversation's log up to which this row was told: an event told again adds nothing.
  seq INTEGER NOT NULL,
  PRIMARY KEY (user_id, day, conversation_id, agent_id, model)
) WITHOUT ROWID;

CREATE INDEX usage_by_day ON usage (day);
