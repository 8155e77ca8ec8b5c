"""The SQLite file: every table, who writes it, and what makes it valid. Format 3.

Everything of ours begins with `perdure_`; the user's tables live beside it. `application_id` and `user_version` are the
user's. The file is in WAL mode. `persistence.records` specifies the hashes.

A file is valid if and only if
  (F1) `perdure_meta` holds one row for each of format, store_id, epoch and level;
  (F2) `perdure_journal.n` is the order of commits, and the last row of each commit carries the seal of its rows,
       chained from the seal before it (32 zero bytes before the first);                                      INV-5
  (F3) an instance's `head` is the n of its newest journal row, and each row's `prior` the n of the row before it
       that stands (0 where none does): following them from the head reaches version 1 without a gap, but for the
       versions whose rows left a stub;                                                                        INV-6
  (F4) every symbol, instance and definition number that a row names exists;
  (F5) the head of an instance holds its image, or the digest of its image and none: then the image follows from the
       newest row of kind 1 and the patches after it;
  (F6) a body, or the image of a checkpoint, that begins with the byte 0x78 is a zlib stream of what it stands for; any
       other is that itself, and whatever is hashed is never the stream;
  (F7) a stub's n is no journal row's, and a row set aside from the journal has a stub at its n: with them the order of
       commits has no gap.

Beside the file lies its anchor, which says how far it had come (`persistence.sqlite.anchor`). `epoch` is raised when a
loss is accepted; a record's epoch is that of the store when it was written.

Written by transactions: instance, journal, place, key, definition, symbol, checkpoint. Rows of the journal are never
updated, but for `prior`, which is no part of what is hashed and which rebuilding a head mends (INV-7). Written by
recovery: quarantine, set_aside, stub, a head that is rebuilt, and a checkpoint that is derived again. Written at open
and close: open_mark. Deleted from: key, some time after the end of an instance, and then all of that instance.
Reserved, and empty in files that this version writes: work. Integer keys are private to the file: names are what is
hashed.
"""

__all__ = ["FORMAT", "LEVELS", "PLACES_EVERY", "TABLES", "VIEWS"]

FORMAT = 3

PLACES_EVERY = 1_000  # versions: what is looked for below the head is found in so many steps; 10 bytes for so many rows

LEVELS = {"full": "FULL", "normal": "NORMAL"}
"""Durability level of a store -> PRAGMA synchronous. `full` survives a power loss, `normal` a killed process."""

TABLES = (
    """
    CREATE TABLE perdure_meta (
        name  TEXT PRIMARY KEY,              -- format, store_id, epoch, level
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE perdure_symbol (
        id   INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE            -- of a workflow, an event or a configuration (with what it remembers)
    ) STRICT
    """,
    """
    CREATE TABLE perdure_definition (
        id          INTEGER PRIMARY KEY,
        fingerprint BLOB NOT NULL UNIQUE,    -- sha256 of text
        text        TEXT NOT NULL            -- canonical text of the chart: legality can be judged without the class
    ) STRICT
    """,
    """
    CREATE TABLE perdure_instance (
        id              INTEGER PRIMARY KEY,
        name            TEXT NOT NULL UNIQUE,    -- the instance's id as its users know it
        workflow        INTEGER NOT NULL,        -- symbol
        version         INTEGER NOT NULL,        -- of the newest transition
        configuration   INTEGER NOT NULL,        -- symbol
        definition      INTEGER NOT NULL,
        revision        INTEGER NOT NULL,
        epoch           INTEGER NOT NULL,
        incarnation     INTEGER NOT NULL,        -- raised by each rollback
        secret          BLOB NOT NULL,           -- 16 random bytes
        time            INTEGER NOT NULL,        -- of the newest transition, microseconds since 1970 UTC
        outcome         TEXT,                    -- NULL while it runs
        head            INTEGER NOT NULL,        -- n of the newest journal row
        prior           INTEGER NOT NULL,        -- n of the row before it, to pass by a damaged newest row
        hash            BLOB NOT NULL,           -- of the newest transition
        previous_hash   BLOB NOT NULL,
        rest_digest     BLOB NOT NULL,           -- of what its record holds beside the columns here
        image           BLOB,                    -- the data; NULL where it is large, and rows of the journal hold it
        image_digest    BLOB,                    -- sha256 of it; NULL where it stands here
        patches         INTEGER NOT NULL,        -- journal rows after the newest one with a whole image
        patched         INTEGER NOT NULL         -- and the bytes of their bodies, uncompressed
    ) STRICT
    """,
    """
    CREATE INDEX perdure_instance_live ON perdure_instance (workflow, id) WHERE outcome IS NULL
    """,
    """
    CREATE TABLE perdure_journal (
        n           INTEGER PRIMARY KEY,     -- order of commits
        instance    INTEGER NOT NULL,
        version     INTEGER NOT NULL,
        prior       INTEGER NOT NULL,        -- n of the instance's row before this one; 0 for version 1
        definition  INTEGER NOT NULL,
        event       INTEGER NOT NULL,        -- symbol
        before      INTEGER NOT NULL,        -- symbol of the configuration
        after       INTEGER NOT NULL,
        revision    INTEGER NOT NULL,
        epoch       INTEGER NOT NULL,
        incarnation INTEGER NOT NULL,
        key         TEXT,
        actor       TEXT,
        note        TEXT,
        time        INTEGER NOT NULL,
        token       BLOB NOT NULL,
        kind        INTEGER NOT NULL,        -- of the body: 1 whole image, 2 patch
        body        BLOB NOT NULL,           -- JSON text, or a zlib stream of it
        hash        BLOB NOT NULL,
        seal        BLOB                     -- on the last row of each commit
    ) STRICT
    """,
    """
    CREATE TABLE perdure_place (             -- where a long journal is entered below its head
        instance INTEGER NOT NULL,
        version  INTEGER NOT NULL,           -- each 1,000th
        n        INTEGER NOT NULL,           -- of its row: a hint, which that row itself bears out
        PRIMARY KEY (instance, version)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE perdure_key (
        instance INTEGER NOT NULL,
        name     BLOB NOT NULL,              -- first 16 bytes of sha256(kind ‖ NUL ‖ key); the row has its text
        version  INTEGER NOT NULL,
        n        INTEGER NOT NULL,           -- of the row at version: a hint for that row, a proof for a stub
        digest   BLOB NOT NULL,              -- of the event
        after    INTEGER NOT NULL,           -- symbol of the configuration
        error    TEXT,
        time     INTEGER NOT NULL,
        PRIMARY KEY (instance, name)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE perdure_checkpoint (
        id       INTEGER PRIMARY KEY,
        instance INTEGER NOT NULL,
        version  INTEGER NOT NULL,
        hash     BLOB NOT NULL,              -- of the transition at version
        image    BLOB NOT NULL,              -- as it was after that transition, or a zlib stream of it
        label    TEXT NOT NULL,              -- as its author named it
        tags     TEXT NOT NULL,              -- a JSON list
        note     TEXT,
        time     INTEGER NOT NULL,
        UNIQUE (instance, label)
    ) STRICT
    """,
    """
    CREATE TABLE perdure_work (
        id         INTEGER PRIMARY KEY,
        instance   INTEGER NOT NULL,
        kind       TEXT NOT NULL,            -- effect, timer, tell, emit, post
        version    INTEGER NOT NULL,         -- of the transition that made it
        number     INTEGER NOT NULL,         -- its place in that transition
        name       INTEGER NOT NULL,         -- symbol: of the task, timer, event or topic
        scope      INTEGER,                  -- symbol: of the state that it lives and dies with
        due        INTEGER NOT NULL,         -- microseconds since 1970 UTC
        effect_key TEXT,
        body       BLOB,
        status     TEXT NOT NULL,            -- waiting, claimed, done, failed, in_doubt
        attempt    INTEGER NOT NULL,
        owner      TEXT,                     -- open mark of the engine that claimed it
        lease      INTEGER,
        result     BLOB,
        time       INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE INDEX perdure_work_due ON perdure_work (due) WHERE status = 'waiting'
    """,
    """
    CREATE INDEX perdure_work_instance ON perdure_work (instance) WHERE status <> 'done'
    """,
    """
    CREATE TABLE perdure_set_aside (
        id       INTEGER PRIMARY KEY,
        source   TEXT NOT NULL,              -- the table it stood in: perdure_journal, perdure_instance or _checkpoint
        n        INTEGER,                    -- of a journal row
        instance INTEGER NOT NULL,
        version  INTEGER,                    -- as the row had it
        reason   TEXT NOT NULL,
        row      BLOB NOT NULL,              -- the row as it was: a JSON list of its columns as SQL literals, in the
                                             -- table's order; texts as the literals of their bytes
        time     INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE perdure_stub (
        n        INTEGER PRIMARY KEY,        -- of a journal row that was cut or set aside; never used again
        instance INTEGER NOT NULL,
        version  INTEGER NOT NULL,
        hash     BLOB NOT NULL,
        seal     BLOB,
        proof    BLOB NOT NULL               -- record digest and sha256(image): the hash follows from the one before it
    ) STRICT
    """,
    """
    CREATE INDEX perdure_stub_instance ON perdure_stub (instance, version)
    """,
    """
    CREATE TABLE perdure_quarantine (
        instance      INTEGER PRIMARY KEY,
        reason        TEXT NOT NULL,
        sound_version INTEGER NOT NULL,      -- the last version that is provably sound
        time          INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE perdure_open_mark (
        id      TEXT PRIMARY KEY,            -- one per open engine
        host    TEXT NOT NULL,
        boot    TEXT NOT NULL,               -- of the machine, '' where it cannot be known
        pid     INTEGER NOT NULL,
        started TEXT NOT NULL,               -- of the process, '' where it cannot be known
        slot    INTEGER NOT NULL,            -- of the anchor: the engine's own while it lives
        time    INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)

VIEWS = (
    """
    CREATE VIEW perdure_instances AS
    SELECT i.name AS instance, w.name AS workflow, i.version,
           iif(instr(c.name, '|'), substr(c.name, 1, instr(c.name, '|') - 1), c.name) AS configuration,
           iif(instr(c.name, '|'), substr(c.name, instr(c.name, '|') + 1), NULL) AS remembered,
           i.outcome, strftime('%Y-%m-%dT%H:%M:%fZ', i.time / 1000000.0, 'unixepoch') AS time,
           CAST(i.image AS TEXT) AS data, lower(hex(i.hash)) AS hash, q.reason AS quarantine, q.sound_version
    FROM perdure_instance AS i
    JOIN perdure_symbol AS w ON w.id = i.workflow
    JOIN perdure_symbol AS c ON c.id = i.configuration
    LEFT JOIN perdure_quarantine AS q ON q.instance = i.id
    """,
    """
    CREATE VIEW perdure_states AS  -- one row for each active leaf
    SELECT i.instance, i.workflow, leaf.value AS state, i.outcome
    FROM perdure_instances AS i,
         -- quoted first: a name that was damaged can hold a quote, or be no text, and is told as it stands
         json_each('[' || replace(json_quote(CAST(i.configuration AS TEXT)), ',', '","') || ']') AS leaf
    """,
    """
    CREATE VIEW perdure_transitions AS
    SELECT j.n, j.prior, i.name AS instance, j.version, e.name AS event, b.name AS before, a.name AS after,
           j.key, j.actor, j.note,
           strftime('%Y-%m-%dT%H:%M:%fZ', j.time / 1000000.0, 'unixepoch') AS time,
           CASE j.kind WHEN 1 THEN 'image' WHEN 2 THEN 'patch' END AS kind,
           iif(substr(j.body, 1, 1) = x'78', NULL, CAST(j.body AS TEXT)) AS body,
           lower(hex(j.hash)) AS hash, lower(hex(j.seal)) AS seal
    FROM perdure_journal AS j
    JOIN perdure_instance AS i ON i.id = j.instance
    JOIN perdure_symbol AS e ON e.id = j.event
    JOIN perdure_symbol AS b ON b.id = j.before
    JOIN perdure_symbol AS a ON a.id = j.after
    """,
    """
    CREATE VIEW perdure_keys AS  -- the text of a key stands in its row; NULL where that is gone, and for a start
    SELECT i.name AS instance, iif(k.version = 1, 'start', 'send') AS kind, j.key, k.version, a.name AS after, k.error,
           strftime('%Y-%m-%dT%H:%M:%fZ', k.time / 1000000.0, 'unixepoch') AS time
    FROM perdure_key AS k
    JOIN perdure_instance AS i ON i.id = k.instance
    JOIN perdure_symbol AS a ON a.id = k.after
    LEFT JOIN perdure_journal AS j ON j.n = k.n AND j.instance = k.instance AND j.version = k.version
    """,
    """
    CREATE VIEW perdure_checkpoints AS
    SELECT i.name AS instance, p.label, p.version, p.tags, p.note,
           strftime('%Y-%m-%dT%H:%M:%fZ', p.time / 1000000.0, 'unixepoch') AS time,
           iif(substr(p.image, 1, 1) = x'78', NULL, CAST(p.image AS TEXT)) AS data, lower(hex(p.hash)) AS hash
    FROM perdure_checkpoint AS p
    JOIN perdure_instance AS i ON i.id = p.instance
    """,
)
"""For people and other tools; nothing of ours reads them. What is compressed is NULL in them: SQL cannot open it."""
