"""Every SQL statement of the store, one constant each, with the index it uses and the rows it touches."""

__all__: list[str] = []

BEGIN = "BEGIN IMMEDIATE"
COMMIT = "COMMIT"
ROLLBACK = "ROLLBACK"
SAVEPOINT = "SAVEPOINT perdure_member"
RELEASE = "RELEASE perdure_member"
UNDO = "ROLLBACK TO perdure_member"
BEGIN_READ = "BEGIN DEFERRED"

# Pages that are written to the log and taken back: any row of ours that can hold so much would do.
PUT_ZEROS = """
INSERT INTO perdure_set_aside (source, instance, reason, row, time) VALUES ('', 0, '', zeroblob(?), 0)
"""

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
EPOCH = "SELECT value FROM perdure_meta WHERE name = 'epoch'"  # primary key; 1 row
# 1 row, or somebody else raised it first.
RAISE_EPOCH = "UPDATE perdure_meta SET value = ? WHERE name = 'epoch' AND value = ?"
PUT_META = "INSERT INTO perdure_meta (name, value) VALUES (?, ?)"

# Last row by primary key; stubs hold the numbers of rows that were cut. 1 row.
LAST = """
SELECT n, seal FROM (SELECT n, seal FROM perdure_journal ORDER BY n DESC LIMIT 1)
UNION ALL
SELECT n, seal FROM (SELECT n, seal FROM perdure_stub ORDER BY n DESC LIMIT 1)
ORDER BY n DESC LIMIT 1
"""

# What the anchor is compared with: primary keys; 1 row, the one before it, and the rows of one commit.
SEALED_AT = """
SELECT hash, seal FROM perdure_journal WHERE n = ? UNION ALL SELECT hash, seal FROM perdure_stub WHERE n = ?
"""
SEALED_BEFORE = """
SELECT n, seal FROM (
    SELECT n, seal FROM perdure_journal WHERE n < ? AND seal IS NOT NULL ORDER BY n DESC LIMIT 1
)
UNION ALL
SELECT n, seal FROM (SELECT n, seal FROM perdure_stub WHERE n < ? AND seal IS NOT NULL ORDER BY n DESC LIMIT 1)
ORDER BY n DESC LIMIT 1
"""
HASHES = """
SELECT n, hash FROM perdure_journal WHERE n BETWEEN ? AND ?
UNION ALL SELECT n, hash FROM perdure_stub WHERE n BETWEEN ? AND ?
"""
HEAD_AT = "SELECT hash FROM perdure_instance WHERE head = ?"  # scans the heads: asked only where a row is damaged

SYMBOL = "SELECT id FROM perdure_symbol WHERE name = ?"  # unique index; 0 or 1 row
PUT_SYMBOL = "INSERT INTO perdure_symbol (name) VALUES (?)"
DEFINITION = "SELECT id FROM perdure_definition WHERE fingerprint = ?"  # unique index; 0 or 1 row
DEFINITION_TEXT = "SELECT text FROM perdure_definition WHERE fingerprint = ?"
PUT_DEFINITION = "INSERT INTO perdure_definition (fingerprint, text) VALUES (?, ?)"

# A head with its mark: unique index on name, then primary keys. 0 or 1 row.
HEAD = """
SELECT i.id, i.head, i.prior, i.name, w.name, i.version, c.name, d.fingerprint, i.revision, i.epoch, i.incarnation,
       i.secret, i.time, i.outcome, i.hash, i.previous_hash, i.rest_digest, i.image_digest, i.image, i.patches,
       i.patched, q.reason
FROM perdure_instance AS i
LEFT JOIN perdure_symbol AS w ON w.id = i.workflow
LEFT JOIN perdure_symbol AS c ON c.id = i.configuration
LEFT JOIN perdure_definition AS d ON d.id = i.definition
LEFT JOIN perdure_quarantine AS q ON q.instance = i.id
WHERE i.name = ?
"""

PLACE = "SELECT id, head, outcome IS NOT NULL FROM perdure_instance WHERE name = ?"  # unique index; 0 or 1 row
INSTANCES = "SELECT CAST(name AS BLOB) FROM perdure_instance ORDER BY id"  # primary key; all
# Those of the newest rows: the end of the journal, then primary keys. At most as many as rows are asked for.
NEWEST = """
SELECT CAST(name AS BLOB) FROM perdure_instance
WHERE id IN (SELECT instance FROM perdure_journal ORDER BY n DESC LIMIT ?) ORDER BY id
"""
INSTANCES_OF = """
SELECT CAST(i.name AS BLOB) FROM perdure_instance AS i JOIN perdure_symbol AS w ON w.id = i.workflow
WHERE w.name = ? ORDER BY i.id
"""

# Where instances of a workflow stand, behind one of them: primary key, or index of live ones. As many as are fetched.
STANDINGS = """
SELECT CAST(i.name AS BLOB), CAST(c.name AS BLOB), CAST(i.outcome AS BLOB)
FROM perdure_instance AS i LEFT JOIN perdure_symbol AS c ON c.id = i.configuration
WHERE i.workflow = (SELECT id FROM perdure_symbol WHERE name = ?) AND i.id > ? ORDER BY i.id
"""
STANDINGS_LIVE = """
SELECT CAST(i.name AS BLOB), CAST(c.name AS BLOB), NULL
FROM perdure_instance AS i LEFT JOIN perdure_symbol AS c ON c.id = i.configuration
WHERE i.workflow = (SELECT id FROM perdure_symbol WHERE name = ?) AND i.id > ? AND i.outcome IS NULL ORDER BY i.id
"""

PUT_INSTANCE = """
INSERT INTO perdure_instance (
    name, workflow, version, configuration, definition, revision, epoch, incarnation, secret, time, outcome,
    head, prior, hash, previous_hash, rest_digest, image, image_digest, patches, patched
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# Compare and set on version and hash: 1 row, or the head is not the one that was decided against. The outcome is not
# among what is set: SQLite would write the index of those that run anew, a page more for each transition.
MOVE_INSTANCE = """
UPDATE perdure_instance SET version = ?, configuration = ?, definition = ?, revision = ?, epoch = ?, incarnation = ?,
    time = ?, prior = ?, head = ?, hash = ?, previous_hash = ?, rest_digest = ?, image = ?,
    image_digest = ?, patches = ?, patched = ?
WHERE id = ? AND version = ? AND hash = ?
"""

END_INSTANCE = "UPDATE perdure_instance SET outcome = ? WHERE id = ?"  # primary key; 1 row

PUT_ROW = """
INSERT INTO perdure_journal (
    n, instance, version, prior, event, before, after, definition, revision, epoch, incarnation, key, actor, note, time,
    token, kind, body, hash, seal
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# The nearest place at or above a version: unique index on name, then primary key. 0 or 1 row.
PLACE_ABOVE = """
SELECT p.n FROM perdure_instance AS i JOIN perdure_place AS p ON p.instance = i.id AND p.version >= ?
WHERE i.name = ? ORDER BY p.version LIMIT 1
"""
PUT_PLACE = "INSERT OR REPLACE INTO perdure_place (instance, version, n) VALUES (?, ?, ?)"

# The rows of one instance from a version on, by following `prior` back from a place or, where none is given, the head:
# a primary key read per row.
JOURNAL = """
WITH RECURSIVE chain (n, instance) AS (
    SELECT coalesce(?, head), id FROM perdure_instance WHERE name = ?
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

# One row that stands at a known n: primary keys.
ROW = """
SELECT i.name, w.name, j.version, d.fingerprint, e.name, b.name, a.name, j.revision, j.epoch, j.incarnation, j.key,
       j.actor, j.note, j.time, j.token, j.kind, j.body, j.hash
FROM perdure_journal AS j
JOIN perdure_instance AS i ON i.id = j.instance
LEFT JOIN perdure_symbol AS w ON w.id = i.workflow
LEFT JOIN perdure_definition AS d ON d.id = j.definition
LEFT JOIN perdure_symbol AS e ON e.id = j.event
LEFT JOIN perdure_symbol AS b ON b.id = j.before
LEFT JOIN perdure_symbol AS a ON a.id = j.after
WHERE j.n = ? AND j.version = ? AND i.name = ?
"""

# The rows that prove one that stands at a known n: the one before it, and from a patch back to a whole image. A primary
# key read per row; as many as may follow a whole image. UNION ends a circle of damaged pointers.
ROWS_TO = """
WITH RECURSIVE chain (n, instance, kind, prior, goes_on) AS (
    SELECT j.n, j.instance, j.kind, j.prior, 1
    FROM perdure_instance AS i JOIN perdure_journal AS j ON j.instance = i.id
    WHERE i.name = ? AND j.n = ? AND j.version = ?
    UNION
    SELECT j.n, j.instance, j.kind, j.prior, chain.kind <> 1 AND j.kind <> 1
    FROM chain JOIN perdure_journal AS j ON j.n = chain.prior AND j.instance = chain.instance
    WHERE chain.goes_on
)
SELECT i.name, w.name, j.version, d.fingerprint, e.name, b.name, a.name, j.revision, j.epoch, j.incarnation, j.key,
       j.actor, j.note, j.time, j.token, j.kind, j.body, j.hash
FROM chain
JOIN perdure_journal AS j ON j.n = chain.n
JOIN perdure_instance AS i ON i.id = j.instance
LEFT JOIN perdure_symbol AS w ON w.id = i.workflow
LEFT JOIN perdure_definition AS d ON d.id = j.definition
LEFT JOIN perdure_symbol AS e ON e.id = j.event
LEFT JOIN perdure_symbol AS b ON b.id = j.before
LEFT JOIN perdure_symbol AS a ON a.id = j.after
ORDER BY j.n
"""
# Where the row of a version stands, by following `prior` back from a place or the head: a primary key read per row.
PLACE_OF = """
WITH RECURSIVE chain (n, instance, version, prior) AS (
    SELECT j.n, j.instance, j.version, j.prior FROM perdure_instance AS i
    JOIN perdure_journal AS j ON j.n = coalesce(?, i.head) AND j.instance = i.id WHERE i.name = ?
    UNION
    SELECT j.n, j.instance, j.version, j.prior FROM chain
    JOIN perdure_journal AS j ON j.n = chain.prior AND j.instance = chain.instance
    WHERE chain.version > ?
)
SELECT n FROM chain WHERE version = ? LIMIT 1
"""

KEY = """
SELECT k.instance, k.name, k.version, k.digest, a.name, k.error, k.time, k.n
FROM perdure_key AS k LEFT JOIN perdure_symbol AS a ON a.id = k.after
WHERE k.instance = ? AND k.name = ?
"""
KEYS = """
SELECT k.name, j.key, k.version, k.digest, a.name, k.error, k.time, k.n
FROM perdure_instance AS i
JOIN perdure_key AS k ON k.instance = i.id
LEFT JOIN perdure_journal AS j ON j.n = k.n AND j.instance = k.instance AND j.version = k.version
LEFT JOIN perdure_symbol AS a ON a.id = k.after
WHERE i.name = ? ORDER BY k.version, k.name
"""
PUT_KEY = """
INSERT INTO perdure_key (instance, name, version, n, digest, after, error, time)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
# The next instances behind a place, whatever number that is, and whether each ended before a time: rows by primary key.
NEXT_INSTANCES = """
SELECT id, outcome IS NOT NULL AND time < ? FROM perdure_instance
WHERE id > ? % (1 + (SELECT max(id) FROM perdure_instance)) ORDER BY id LIMIT ?
"""
DROP_KEYS = "DELETE FROM perdure_key WHERE instance = ?"  # the front of its primary key

# Unique index on instance and label.
CHECKPOINTS = """
SELECT i.name, c.version, c.hash, c.label, c.tags, c.note, c.time, c.image
FROM perdure_instance AS i JOIN perdure_checkpoint AS c ON c.instance = i.id
WHERE i.name = ? ORDER BY c.version, c.label
"""
CHECKPOINT = """
SELECT i.name, c.version, c.hash, c.label, c.tags, c.note, c.time, c.image
FROM perdure_instance AS i JOIN perdure_checkpoint AS c ON c.instance = i.id AND c.label = ?
WHERE i.name = ?
"""
PUT_CHECKPOINT = """
INSERT INTO perdure_checkpoint (instance, version, hash, image, label, tags, note, time) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
# Of one instance: unique index on instance and label.
LABELS = """
SELECT CAST(c.label AS BLOB), c.hash FROM perdure_instance AS i JOIN perdure_checkpoint AS c ON c.instance = i.id
WHERE i.name = ? ORDER BY c.label
"""

# Rows that stand and stubs of rows that were cut, in the order of their commits. Primary keys; all.
LANE = """
SELECT n, hash, seal FROM perdure_journal UNION ALL SELECT n, hash, seal FROM perdure_stub ORDER BY n
"""

# What left a stub, of one instance: index on instance and version. 0 rows but for instances that were repaired.
STUBS = """
SELECT s.n, i.name, s.version, s.hash, s.seal, s.proof
FROM perdure_instance AS i JOIN perdure_stub AS s ON s.instance = i.id WHERE i.name = ? ORDER BY s.version
"""

# Where the rows of some instances stand, whose numbers are a JSON list: one pass over the journal from a place on.
PLACES = """
SELECT instance, n FROM perdure_journal WHERE n >= ? AND instance IN (SELECT value FROM json_each(?)) ORDER BY n
"""
# Of the rows at some n, a JSON list, those that say they belong to an instance, without any pointer; texts as bytes, so
# that each is read on its own. Primary keys.
EVIDENCE = """
SELECT j.n, CAST(w.name AS BLOB), j.version, d.fingerprint, CAST(e.name AS BLOB), CAST(b.name AS BLOB),
       CAST(a.name AS BLOB), j.revision, j.epoch, j.incarnation, CAST(j.key AS BLOB), CAST(j.actor AS BLOB),
       CAST(j.note AS BLOB), j.time, j.token, j.kind, j.body, j.hash
FROM perdure_instance AS i
JOIN perdure_journal AS j ON j.instance = i.id AND j.n IN (SELECT value FROM json_each(?))
LEFT JOIN perdure_symbol AS w ON w.id = i.workflow
LEFT JOIN perdure_definition AS d ON d.id = j.definition
LEFT JOIN perdure_symbol AS e ON e.id = j.event
LEFT JOIN perdure_symbol AS b ON b.id = j.before
LEFT JOIN perdure_symbol AS a ON a.id = j.after
WHERE i.name = ? ORDER BY j.n
"""
# One pass over the journal; a row per instance.
ROW_COUNTS = """
SELECT CAST(i.name AS BLOB), count(*) FROM perdure_journal AS j JOIN perdure_instance AS i ON i.id = j.instance
GROUP BY j.instance
"""
# One pass over the journal; a row per instance whose head row is gone.
ORPHANS = """
SELECT j.instance, count(*), min(j.n), max(j.n) FROM perdure_journal AS j
WHERE NOT EXISTS (SELECT 1 FROM perdure_instance AS i WHERE i.id = j.instance) GROUP BY j.instance
"""
# What else belongs to instances whose head row is gone. One pass over each table; as many rows as there are tables.
ORPHANED = """
SELECT 'keys', count(*) FROM perdure_key
WHERE NOT EXISTS (SELECT 1 FROM perdure_instance AS i WHERE i.id = perdure_key.instance)
UNION ALL SELECT 'named checkpoints', count(*) FROM perdure_checkpoint
WHERE NOT EXISTS (SELECT 1 FROM perdure_instance AS i WHERE i.id = perdure_checkpoint.instance)
UNION ALL SELECT 'quarantine marks', count(*) FROM perdure_quarantine
WHERE NOT EXISTS (SELECT 1 FROM perdure_instance AS i WHERE i.id = perdure_quarantine.instance)
"""
# Every page and index of the file. Many lines: what a value of the user's breaks must not hide what a page does.
INTEGRITY = "PRAGMA integrity_check(10000)"
# The pages that are free. The check above leaves them out where a view comes first in SQLite's own table of names.
FREE_INTEGRITY = "PRAGMA integrity_check(sqlite_schema)"
# For the same reason: pages in use and free ones, more than there are pages, are pages with two owners. Every page.
OWNED_PAGES = """
SELECT (SELECT count(*) FROM dbstat) + (SELECT freelist_count FROM pragma_freelist_count),
       (SELECT page_count FROM pragma_page_count)
"""

INSTANCE_ID = "SELECT id FROM perdure_instance WHERE name = ?"  # unique index; 0 or 1 row
PUT_QUARANTINE = """
INSERT INTO perdure_quarantine (instance, reason, sound_version, time) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING
"""

# What stands at one n: primary keys.
ROW_AT = "SELECT instance, version, hash FROM perdure_journal WHERE n = ?"
STUB_AT = "SELECT instance, version, hash FROM perdure_stub WHERE n = ?"
PUT_STUB = "INSERT INTO perdure_stub (n, instance, version, hash, seal, proof) VALUES (?, ?, ?, ?, ?, ?)"
# Rows are kept as literals of bytes: quote() of a text would stop at a NUL. A damaged page can hold any type anywhere.
KEEP_ROW = """
INSERT INTO perdure_set_aside (source, n, instance, version, reason, row, time)
SELECT 'perdure_journal', j.n, ?, iif(typeof(j.version) = 'integer', j.version, NULL), ?, CAST(json_array(
    quote(j.n), quote(j.instance), quote(j.version), quote(j.prior), quote(j.definition), quote(j.event),
    quote(j.before), quote(j.after), quote(j.revision), quote(j.epoch), quote(j.incarnation),
    quote(CAST(j.key AS BLOB)), quote(CAST(j.actor AS BLOB)), quote(CAST(j.note AS BLOB)), quote(j.time),
    quote(j.token), quote(j.kind), quote(j.body), quote(j.hash), quote(j.seal)
) AS BLOB), ?
FROM perdure_journal AS j WHERE j.n = ?
"""
KEEP_HEAD = """
INSERT INTO perdure_set_aside (source, n, instance, version, reason, row, time)
SELECT 'perdure_instance', NULL, i.id, i.version, ?, CAST(json_array(
    quote(i.id), quote(CAST(i.name AS BLOB)), quote(i.workflow), quote(i.version), quote(i.configuration),
    quote(i.definition), quote(i.revision), quote(i.epoch), quote(i.incarnation), quote(i.secret), quote(i.time),
    quote(CAST(i.outcome AS BLOB)), quote(i.head), quote(i.prior), quote(i.hash), quote(i.previous_hash),
    quote(i.rest_digest), quote(i.image), quote(i.image_digest), quote(i.patches), quote(i.patched)
) AS BLOB), ?
FROM perdure_instance AS i WHERE i.id = ?
"""
KEEP_CHECKPOINT = """
INSERT INTO perdure_set_aside (source, n, instance, version, reason, row, time)
SELECT 'perdure_checkpoint', NULL, c.instance, iif(typeof(c.version) = 'integer', c.version, NULL), ?, CAST(json_array(
    quote(c.id), quote(c.instance), quote(c.version), quote(c.hash), quote(c.image), quote(CAST(c.label AS BLOB)),
    quote(CAST(c.tags AS BLOB)), quote(CAST(c.note AS BLOB)), quote(c.time)
) AS BLOB), ?
FROM perdure_checkpoint AS c WHERE c.id = ?
"""
DROP_ROW = "DELETE FROM perdure_journal WHERE n = ?"
# The head of an instance whose own row was set aside: primary key. 1 row.
POINT_HEAD = "UPDATE perdure_instance SET head = ? WHERE id = ? AND version = ?"
MEND_PRIOR = "UPDATE perdure_journal SET prior = ? WHERE n = ? AND prior <> ?"
CHECKPOINT_ID = """
SELECT c.id FROM perdure_instance AS i JOIN perdure_checkpoint AS c ON c.instance = i.id
WHERE i.name = ? AND c.label = ?
"""
MEND_CHECKPOINT = """
UPDATE perdure_checkpoint SET version = ?, hash = ?, image = ?,
    tags = CASE WHEN json_valid(tags) THEN iif(json_type(tags) = 'array', tags, '[]') ELSE '[]' END
WHERE id = ?
"""
MEND_INSTANCE = """
UPDATE perdure_instance SET version = ?, configuration = ?, definition = ?, revision = ?, epoch = ?, incarnation = ?,
    time = ?, outcome = ?, head = ?, prior = ?, hash = ?, previous_hash = ?, rest_digest = ?, image = ?,
    image_digest = ?, patches = ?, patched = ?
WHERE id = ?
"""

OPEN_MARKS = "SELECT id, host, boot, pid, started, slot FROM perdure_open_mark"  # one per open engine
PUT_OPEN_MARK = "INSERT INTO perdure_open_mark (id, host, boot, pid, started, slot, time) VALUES (?, ?, ?, ?, ?, ?, ?)"
TOUCH_OPEN_MARK = "UPDATE perdure_open_mark SET time = ? WHERE id = ?"  # 1 row: the write that settles a commit
DROP_OPEN_MARKS = "DELETE FROM perdure_open_mark"  # all; of a copy, which nobody has open
DROP_OPEN_MARK = "DELETE FROM perdure_open_mark WHERE id = ?"
