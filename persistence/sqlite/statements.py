"""Every SQL statement of the store, one constant each, with the index it uses and the rows it touches."""

__all__: list[str] = []

BEGIN = "BEGIN IMMEDIATE"
COMMIT = "COMMIT"
ROLLBACK = "ROLLBACK"
SAVEPOINT = "SAVEPOINT perdure_member"
RELEASE = "RELEASE perdure_member"
UNDO = "ROLLBACK TO perdure_member"
BEGIN_READ = "BEGIN DEFERRED"

# "Did another connection write": asked inside the transaction, because outside it the answer may be old at once.
DATA_VERSION = "PRAGMA data_version"

# Names of ours in a file that is no store. One statement: between two, another process could have adopted the file.
TAKEN_NAME = """
SELECT type, name FROM sqlite_schema
WHERE name LIKE 'perdure\\_%' ESCAPE '\\'
  AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'perdure_meta')
LIMIT 1
"""
HAS_META = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'perdure_meta'"
META = "SELECT name, value FROM perdure_meta"  # 4 rows
PUT_META = "INSERT INTO perdure_meta (name, value) VALUES (?, ?)"

# Last row by primary key; stubs hold the numbers of rows that were cut. 1 row.
LAST = """
SELECT n, seal FROM (SELECT n, seal FROM perdure_journal ORDER BY n DESC LIMIT 1)
UNION ALL
SELECT n, seal FROM (SELECT n, seal FROM perdure_stub ORDER BY n DESC LIMIT 1)
ORDER BY n DESC LIMIT 1
"""

SYMBOL = "SELECT id FROM perdure_symbol WHERE name = ?"  # unique index; 0 or 1 row
PUT_SYMBOL = "INSERT INTO perdure_symbol (name) VALUES (?)"
DEFINITION = "SELECT id FROM perdure_definition WHERE fingerprint = ?"  # unique index; 0 or 1 row
DEFINITION_TEXT = "SELECT text FROM perdure_definition WHERE fingerprint = ?"
PUT_DEFINITION = "INSERT INTO perdure_definition (fingerprint, text) VALUES (?, ?)"

# A head with its mark: unique index on name, then primary keys. 0 or 1 row.
HEAD = """
SELECT i.id, i.head, i.prior, i.name, w.name, i.version, c.name, d.fingerprint, i.revision, i.epoch, i.incarnation,
       i.secret, i.time, i.outcome, i.hash, i.previous_hash, i.record_digest, i.image, q.reason
FROM perdure_instance AS i
LEFT JOIN perdure_symbol AS w ON w.id = i.workflow
LEFT JOIN perdure_symbol AS c ON c.id = i.configuration
LEFT JOIN perdure_definition AS d ON d.id = i.definition
LEFT JOIN perdure_quarantine AS q ON q.instance = i.id
WHERE i.name = ?
"""

PLACE = "SELECT id, head FROM perdure_instance WHERE name = ?"  # unique index; 0 or 1 row
INSTANCES = "SELECT CAST(name AS BLOB) FROM perdure_instance ORDER BY id"  # primary key; all
INSTANCES_OF = """
SELECT CAST(i.name AS BLOB) FROM perdure_instance AS i JOIN perdure_symbol AS w ON w.id = i.workflow
WHERE w.name = ? ORDER BY i.id
"""

PUT_INSTANCE = """
INSERT INTO perdure_instance (
    name, workflow, version, configuration, definition, revision, epoch, incarnation, secret, time, outcome,
    head, prior, hash, previous_hash, record_digest, image
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# Compare and set on version and hash: 1 row, or the head is not the one that was decided against.
MOVE_INSTANCE = """
UPDATE perdure_instance SET version = ?, configuration = ?, definition = ?, revision = ?, epoch = ?, incarnation = ?,
    time = ?, outcome = ?, prior = head, head = ?, hash = ?, previous_hash = ?, record_digest = ?, image = ?
WHERE id = ? AND version = ? AND hash = ?
"""

PUT_ROW = """
INSERT INTO perdure_journal (
    n, instance, version, prior, definition, event, before, after, revision, epoch, incarnation, key, actor, note, time,
    token, kind, body, hash, seal
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# The rows of one instance from a version on, by following `prior` back from the head: a primary key read per row.
JOURNAL = """
WITH RECURSIVE chain (n, instance) AS (
    SELECT head, id FROM perdure_instance WHERE name = ?
    UNION
    SELECT j.prior, j.instance FROM perdure_journal AS j JOIN chain ON j.n = chain.n AND j.instance = chain.instance
    WHERE j.prior > 0 AND j.version > ?
)
SELECT i.name, w.name, j.version, d.fingerprint, e.name, b.name, a.name, j.revision, j.epoch, j.incarnation, j.key,
       j.actor, j.note, j.time, j.token, j.kind, j.body, j.hash
FROM chain
JOIN perdure_journal AS j ON j.n = chain.n AND j.instance = chain.instance
JOIN perdure_instance AS i ON i.id = j.instance
LEFT JOIN perdure_symbol AS w ON w.id = i.workflow
LEFT JOIN perdure_definition AS d ON d.id = j.definition
LEFT JOIN perdure_symbol AS e ON e.id = j.event
LEFT JOIN perdure_symbol AS b ON b.id = j.before
LEFT JOIN perdure_symbol AS a ON a.id = j.after
WHERE j.version >= ? AND j.version <= ?
ORDER BY j.n
"""

KEY = """
SELECT k.version, k.digest, a.name, k.hash, k.error, k.time
FROM perdure_instance AS i
JOIN perdure_key AS k ON k.instance = i.id AND k.kind = ? AND k.key = ?
LEFT JOIN perdure_symbol AS a ON a.id = k.after
WHERE i.name = ?
"""
KEYS = """
SELECT k.kind, k.key, k.version, k.digest, a.name, k.hash, k.error, k.time
FROM perdure_instance AS i
JOIN perdure_key AS k ON k.instance = i.id
LEFT JOIN perdure_symbol AS a ON a.id = k.after
WHERE i.name = ? ORDER BY k.version, k.kind, k.key
"""
PUT_KEY = """
INSERT INTO perdure_key (instance, kind, key, version, digest, after, hash, error, time)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# Rows that stand and stubs of rows that were cut, in the order of their commits. Primary keys; all.
LANE = """
SELECT n, hash, seal FROM perdure_journal UNION ALL SELECT n, hash, seal FROM perdure_stub ORDER BY n
"""

INSTANCE_ID = "SELECT id FROM perdure_instance WHERE name = ?"  # unique index; 0 or 1 row
PUT_QUARANTINE = """
INSERT INTO perdure_quarantine (instance, reason, sound_version, time) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING
"""

OPEN_MARKS = "SELECT id, host, boot, pid, started FROM perdure_open_mark"  # one per open engine
PUT_OPEN_MARK = "INSERT INTO perdure_open_mark (id, host, boot, pid, started, time) VALUES (?, ?, ?, ?, ?, ?)"
DROP_OPEN_MARK = "DELETE FROM perdure_open_mark WHERE id = ?"
