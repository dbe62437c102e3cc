/**
 * Numbered steps of the SQLite schema: step n brings a database of version n to version n + 1 (`PRAGMA user_version`).
 * A step that has been released is never edited; a change is a new step at the end.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    plan TEXT NOT NULL,
    plan_hash TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    status TEXT NOT NULL,
    engine_state TEXT NOT NULL,
    evaluation_sha256 TEXT
  ) STRICT;

  CREATE TABLE contributors (
    run_id TEXT NOT NULL REFERENCES runs (id),
    id TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    backend TEXT NOT NULL,
    last_refusal TEXT,
    PRIMARY KEY (run_id, id)
  ) STRICT;

  CREATE TABLE updates (
    run_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    contributor_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (run_id, round, contributor_id),
    FOREIGN KEY (run_id, contributor_id) REFERENCES contributors (run_id, id)
  ) STRICT;
  CREATE INDEX updates_by_contributor ON updates (run_id, contributor_id, round);

  -- Parameters are float64, little-endian.
  CREATE TABLE adapters (
    run_id TEXT NOT NULL REFERENCES runs (id),
    version INTEGER NOT NULL,
    parameters BLOB NOT NULL,
    PRIMARY KEY (run_id, version)
  ) STRICT;

  CREATE TABLE records (
    run_id TEXT NOT NULL REFERENCES runs (id),
    round INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (run_id, round)
  ) STRICT;

  -- One row: the token of the running server.
  CREATE TABLE admin_token (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    hash TEXT NOT NULL
  ) STRICT;

  CREATE TABLE sessions (
    hash TEXT PRIMARY KEY,
    expires_at_ms INTEGER NOT NULL
  ) STRICT;
  `,
  `
  -- The server's copy of its contributors' ledgers: rounds that were, or may have been, released. Rows are only added.
  CREATE TABLE charges (
    run_id TEXT NOT NULL,
    contributor_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    PRIMARY KEY (run_id, contributor_id, round),
    FOREIGN KEY (run_id, contributor_id) REFERENCES contributors (run_id, id)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO charges (run_id, contributor_id, round) SELECT run_id, contributor_id, round FROM updates;

  -- What plans and records have said since, for runs from before: all of them clipped flat and asked tabs for no counts.
  UPDATE records SET record = json_set(record, '$.localMetrics', json('null'));
  UPDATE runs SET plan = json_set(plan, '$.config.training.clipping', 'flat');
  UPDATE runs SET plan = json_set(plan, '$.config.privacy.noise', 'rounded-gaussian')
    WHERE json_extract(plan, '$.config.privacy.unit') <> 'none';
  -- Their plan hash names the plan as it was, so nobody could agree to them any more.
  UPDATE runs SET
    status = 'failed',
    engine_state = json_set(engine_state, '$.phase', json_object(
      'status', 'failed',
      'round', 1 + json_extract(engine_state, '$.adapterVersion'),
      'message', 'an older release of Chorale started this run, and this release cannot go on with it; start a new run'
    ))
    WHERE status NOT IN ('completed', 'stopped', 'failed');
  `,
  `
  -- Model files in pieces named by their hash, pairs of texts, rounds that train ranges. A file was one piece.
  UPDATE runs SET plan = json_set(
    json_remove(plan, '$.model.files'),
    '$.config.task.textPair', json('false'),
    '$.model.source', json('null'),
    '$.model.files', (
      SELECT json_group_array(json_object(
        'name', json_extract(file.value, '$.name'),
        'sizeBytes', json_extract(file.value, '$.sizeBytes'),
        'sha256', json_extract(file.value, '$.sha256'),
        'pieces', json_array(json_object(
          'sizeBytes', json_extract(file.value, '$.sizeBytes'),
          'sha256', json_extract(file.value, '$.sha256')
        ))
      ) ORDER BY file.key)
      FROM json_each(plan, '$.model.files') AS file
    )
  );
  -- A trained head has a bias behind its weight now, one float64 a label; it was not there, which is a bias of zero.
  UPDATE adapters SET parameters = CAST(parameters || zeroblob(8 * (
      SELECT json_array_length(plan, '$.config.task.labels') FROM runs WHERE id = run_id
    )) AS BLOB)
    WHERE (SELECT json_extract(plan, '$.config.adapter.head') FROM runs WHERE id = run_id) = 'trained';
  UPDATE runs SET plan = json_set(plan, '$.parameterCount',
      json_extract(plan, '$.parameterCount') + json_array_length(plan, '$.config.task.labels'))
    WHERE json_extract(plan, '$.config.adapter.head') = 'trained';
  UPDATE runs SET plan = json_set(plan, '$.trainedRanges',
    json_array(json_object('start', 0, 'end', json_extract(plan, '$.parameterCount'))));
  -- As before: the plan is another one than its contributors agreed to.
  UPDATE runs SET
    status = 'failed',
    engine_state = json_set(engine_state, '$.phase', json_object(
      'status', 'failed',
      'round', 1 + json_extract(engine_state, '$.adapterVersion'),
      'message', 'an older release of Chorale started this run, and this release cannot go on with it; start a new run'
    ))
    WHERE status NOT IN ('completed', 'stopped', 'failed');
  `,
  `
  -- Marks the file as ours (CHOR), for file(1) and for the check at opening.
  PRAGMA application_id = 0x43484f52;

  ALTER TABLE adapters ADD COLUMN optimizer_state BLOB;

  -- Whoever joins brings her secret; with the same one she is the same contributor.
  CREATE UNIQUE INDEX contributors_by_token ON contributors (run_id, token_hash);

  -- Bytes go when their round closes, and the row stays. They have a table of their own: pages of deleted rows are merged
  -- and freed, those of rows that became short are not.
  CREATE TABLE updates_4 (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    contributor_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL,
    UNIQUE (run_id, round, contributor_id),
    FOREIGN KEY (run_id, contributor_id) REFERENCES contributors (run_id, id)
  ) STRICT;
  INSERT INTO updates_4 (id, run_id, round, contributor_id, sha256, received_at_ms)
    SELECT rowid, run_id, round, contributor_id, sha256, received_at_ms FROM updates ORDER BY rowid;
  CREATE TABLE update_bytes (
    update_id INTEGER PRIMARY KEY REFERENCES updates_4 (id),
    bytes BLOB NOT NULL
  ) STRICT;
  -- Those there were go: every run has ended, below at the latest, and the bytes are for a round that is open.
  DROP TABLE updates;
  ALTER TABLE updates_4 RENAME TO updates;
  CREATE INDEX updates_by_contributor ON updates (run_id, contributor_id, round);

  CREATE TABLE invites (
    run_id TEXT NOT NULL REFERENCES runs (id),
    id TEXT NOT NULL,
    code_hash TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at_ms REAL NOT NULL,
    expires_at_ms REAL,
    uses INTEGER NOT NULL,
    used INTEGER NOT NULL,
    withdrawn INTEGER NOT NULL,
    PRIMARY KEY (run_id, id),
    UNIQUE (run_id, code_hash)
  ) STRICT;

  -- Rows are only added; each is bound to the one before it by its hash.
  CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    at_ms REAL NOT NULL,
    act TEXT NOT NULL,
    actor TEXT,
    address TEXT,
    run_id TEXT,
    detail TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;

  -- Hashes of admin tokens that were replaced: they are never valid again, also when a server is started with one.
  CREATE TABLE retired_admin_tokens (hash TEXT PRIMARY KEY) STRICT;

  -- Always empty: what shows that writing works writes here.
  CREATE TABLE probe (bytes BLOB NOT NULL) STRICT;

  -- What plans have said since. Tensors were not written down; ranges start and end with one.
  UPDATE runs SET plan = json_set(plan,
    '$.config.rounds.overSelection', 0,
    '$.config.aggregation.normWindow', 'off',
    '$.config.access', 'open',
    '$.tensors', json((
      WITH bounds (at) AS (
        SELECT 0
        UNION SELECT json_extract(plan, '$.parameterCount')
        UNION SELECT json_extract(value, '$.start') FROM json_each(plan, '$.trainedRanges')
        UNION SELECT json_extract(value, '$.end') FROM json_each(plan, '$.trainedRanges')
      ),
      tensors (start, count, number, total) AS (
        SELECT at, lead(at) OVER (ORDER BY at) - at, row_number() OVER (ORDER BY at), count(*) OVER () - 1 FROM bounds
      )
      SELECT json_group_array(json_object(
        'name', CASE total WHEN 1 THEN 'parameters' ELSE 'parameters.' || number END,
        'count', count
      ) ORDER BY start) FROM tensors WHERE count IS NOT NULL
    )));
  -- As before: the plan is another one than its contributors agreed to.
  UPDATE runs SET
    status = 'failed',
    engine_state = json_set(engine_state, '$.phase', json_object(
      'status', 'failed',
      'round', 1 + json_extract(engine_state, '$.adapterVersion'),
      'message', 'an older release of Chorale started this run, and this release cannot go on with it; start a new run'
    ))
    WHERE status NOT IN ('completed', 'stopped', 'failed');
  `,
];
