-- Format 1. Never edit a format that was released: add the next file.

-- The journal. Each hash covers the one before it and every other column.
CREATE TABLE journal (
    seq     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    boot    TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    handle  TEXT,
    payload TEXT    NOT NULL,
    written INTEGER NOT NULL, -- bytes of payload up to and with this entry
    hash    BLOB    NOT NULL
) STRICT;
CREATE INDEX journal_by_handle ON journal (handle) WHERE handle IS NOT NULL;
-- Entries about many sessions name them in their payload. They are few and are
-- looked through.
CREATE INDEX journal_of_many ON journal (seq) WHERE kind GLOB '*.many';

-- Where the kept part of the chain begins. A random start, so that no two stores
-- have the same chain.
CREATE TABLE checkpoint (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    seq     INTEGER NOT NULL,
    written INTEGER NOT NULL,
    hash    BLOB    NOT NULL
) STRICT;
INSERT INTO checkpoint VALUES (1, 0, 0, randomblob(32));

-- Which entries are intents, and which entry is the outcome of each.
CREATE TABLE intent (
    seq     INTEGER PRIMARY KEY REFERENCES journal (seq),
    handle  TEXT NOT NULL,
    outcome INTEGER UNIQUE REFERENCES journal (seq)
) STRICT;
CREATE INDEX intent_open ON intent (seq) WHERE outcome IS NULL;

CREATE TRIGGER journal_is_appended BEFORE INSERT ON journal
WHEN NEW.seq IS NOT 1 + coalesce((SELECT max(seq) FROM journal), (SELECT seq FROM checkpoint))
BEGIN SELECT raise(ABORT, 'the journal is append-only: an entry can only follow the last one'); END;

CREATE TRIGGER journal_is_kept BEFORE UPDATE ON journal
BEGIN SELECT raise(ABORT, 'the journal is append-only: no entry is changed'); END;

CREATE TRIGGER journal_is_long BEFORE DELETE ON journal
WHEN OLD.seq > (SELECT seq FROM checkpoint)
BEGIN SELECT raise(ABORT, 'the journal is append-only: no entry after the checkpoint is removed'); END;

CREATE TRIGGER checkpoint_is_one BEFORE DELETE ON checkpoint
BEGIN SELECT raise(ABORT, 'the checkpoint is never removed'); END;

CREATE TRIGGER checkpoint_goes_forward BEFORE UPDATE ON checkpoint
WHEN NEW.seq <= OLD.seq
  OR NOT EXISTS (SELECT 1 FROM journal
                 WHERE seq = NEW.seq AND hash = NEW.hash AND written = NEW.written)
  OR EXISTS (SELECT 1 FROM intent WHERE outcome IS NULL AND seq <= NEW.seq)
BEGIN SELECT raise(ABORT, 'the checkpoint only moves forward to an entry, and past no open intent'); END;

CREATE TRIGGER intent_is_settled_once BEFORE UPDATE ON intent
WHEN OLD.outcome IS NOT NULL OR NEW.outcome IS NULL OR NEW.seq <> OLD.seq OR NEW.handle <> OLD.handle
BEGIN SELECT raise(ABORT, 'an intent gets one outcome, and it stays'); END;

CREATE TRIGGER intent_is_kept BEFORE DELETE ON intent
WHEN OLD.seq > (SELECT seq FROM checkpoint)
BEGIN SELECT raise(ABORT, 'an intent is kept as long as its entry'); END;

-- What is remembered between passes, by part (record, lock, ...) and id. `sum` is
-- a checksum over the rest of the row, here and below. With rowids, since without
-- them a body of a thousand bytes would take a page of its own.
CREATE TABLE memory (
    part TEXT NOT NULL,
    id   TEXT NOT NULL,
    body TEXT NOT NULL,
    sum  INTEGER NOT NULL,
    UNIQUE (part, id)
) STRICT;

-- What is kept of ended sessions, one for each intent. They outlive the journal's
-- entries, so no reference ties them.
CREATE TABLE tombstone (
    intent   INTEGER PRIMARY KEY,
    handle   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    outcome  TEXT NOT NULL CHECK (outcome IN ('open', 'ended', 'failed')),
    restored INTEGER,
    body     TEXT NOT NULL,
    sum      INTEGER NOT NULL
) STRICT;
CREATE INDEX tombstone_by_handle ON tombstone (handle);

-- What was seen: whole at a keyframe, else what changed since the pass before.
CREATE TABLE pass (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    keyframe INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    body     TEXT NOT NULL,
    sum      INTEGER NOT NULL
) STRICT;
-- Retention reads this alone and none of the bodies.
CREATE INDEX pass_size ON pass (seq, at, keyframe, bytes);
