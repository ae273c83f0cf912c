-- Watching: what the engines do and have done, over the whole cluster.

CREATE FUNCTION infer.stat_get_models(
    OUT digest text, OUT requests bigint, OUT items bigint, OUT tokens bigint, OUT batches bigint,
    OUT batch_fill double precision, OUT queue_time double precision, OUT run_time double precision,
    OUT errors bigint, OUT cancels bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'infer_stat_get_models'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 10;

CREATE FUNCTION infer.stat_get_workers(
    OUT worker int, OUT pid int, OUT state text, OUT threads int, OUT isa text, OUT node int,
    OUT started_at timestamptz, OUT digest text, OUT loading text,
    OUT requests bigint, OUT items bigint, OUT tokens bigint, OUT batches bigint, OUT run_time double precision,
    OUT generating int, OUT waiting_for_cache int, OUT cache_used bigint, OUT cache_reserved bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'infer_stat_get_workers'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1;

CREATE FUNCTION infer.stat_get_requests(
    OUT pid int, OUT datid oid, OUT usesysid oid, OUT state text, OUT kind text, OUT model text, OUT digest text,
    OUT items int, OUT items_done int, OUT tokens int, OUT submitted_at timestamptz, OUT worker int)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'infer_stat_get_requests'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10;

CREATE FUNCTION infer.stat_reset() RETURNS void
AS 'MODULE_PATHNAME', 'infer_stat_reset'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

REVOKE EXECUTE ON FUNCTION infer.stat_reset() FROM PUBLIC;

CREATE VIEW infer.stat_models AS
SELECT m.name, digest, r.state, r.pinned, r.size, r.loaded_at, r.last_used, s.requests, s.items, s.tokens, s.batches,
       s.batch_fill, s.queue_time, s.run_time, s.errors, s.cancels, r.error
FROM infer.residency() r
JOIN infer.stat_get_models() s USING (digest)
LEFT JOIN infer.models m USING (digest);

CREATE VIEW infer.stat_workers AS
SELECT * FROM infer.stat_get_workers();

CREATE VIEW infer.stat_requests AS
SELECT r.pid, d.datname, a.rolname AS usename, r.state, r.kind, r.model, r.digest, r.items, r.items_done, r.tokens,
       r.submitted_at, r.worker
FROM infer.stat_get_requests() r
LEFT JOIN pg_catalog.pg_database d ON d.oid = r.datid
LEFT JOIN pg_catalog.pg_roles a ON a.oid = r.usesysid;

GRANT SELECT ON infer.stat_models, infer.stat_workers, infer.stat_requests TO PUBLIC;

COMMENT ON FUNCTION infer.stat_get_models() IS 'what view infer.stat_models reads';
COMMENT ON FUNCTION infer.stat_get_workers() IS 'what view infer.stat_workers reads';
COMMENT ON FUNCTION infer.stat_get_requests() IS 'what view infer.stat_requests reads';
COMMENT ON FUNCTION infer.stat_reset() IS 'set the counters of infer.stat_models and infer.stat_workers to zero';

COMMENT ON VIEW infer.stat_models IS 'weights used since the start, in the whole cluster: whether they are in memory, and what was asked of them since infer.stat_reset';
COMMENT ON COLUMN infer.stat_models.name IS 'the model of this database with these weights, if there is one';
COMMENT ON COLUMN infer.stat_models.digest IS 'SHA-256 of the image';
COMMENT ON COLUMN infer.stat_models.state IS 'absent, loading, resident or failed';
COMMENT ON COLUMN infer.stat_models.pinned IS 'kept in memory: by infer.load_model or a preload';
COMMENT ON COLUMN infer.stat_models.size IS 'bytes of the image';
COMMENT ON COLUMN infer.stat_models.loaded_at IS 'when the weights were read into memory';
COMMENT ON COLUMN infer.stat_models.last_used IS 'when something was last computed with them';
COMMENT ON COLUMN infer.stat_models.requests IS 'requests answered; one may carry many texts';
COMMENT ON COLUMN infer.stat_models.items IS 'texts computed';
COMMENT ON COLUMN infer.stat_models.tokens IS 'tokens computed';
COMMENT ON COLUMN infer.stat_models.batches IS 'batches computed, each of one or more requests';
COMMENT ON COLUMN infer.stat_models.batch_fill IS 'tokens computed, as a share of what the batches could have held';
COMMENT ON COLUMN infer.stat_models.queue_time IS 'milliseconds that requests waited before they were begun';
COMMENT ON COLUMN infer.stat_models.run_time IS 'milliseconds that batches took';
COMMENT ON COLUMN infer.stat_models.errors IS 'requests that failed';
COMMENT ON COLUMN infer.stat_models.cancels IS 'requests that were given up before their answer';
COMMENT ON COLUMN infer.stat_models.error IS 'why the last load failed';
COMMENT ON VIEW infer.stat_workers IS 'the engines: what each does now, and has done since the start or infer.stat_reset';
COMMENT ON COLUMN infer.stat_workers.worker IS 'number of the engine, from 0';
COMMENT ON COLUMN infer.stat_workers.pid IS 'its process';
COMMENT ON COLUMN infer.stat_workers.state IS 'running, loading, idle or stopped';
COMMENT ON COLUMN infer.stat_workers.threads IS 'threads that compute';
COMMENT ON COLUMN infer.stat_workers.isa IS 'instruction set of its kernels';
COMMENT ON COLUMN infer.stat_workers.node IS 'the NUMA node whose processors it uses; null: any';
COMMENT ON COLUMN infer.stat_workers.started_at IS 'when it was started';
COMMENT ON COLUMN infer.stat_workers.digest IS 'the weights it computes with now';
COMMENT ON COLUMN infer.stat_workers.loading IS 'the weights it is loading now';
COMMENT ON COLUMN infer.stat_workers.requests IS 'requests answered';
COMMENT ON COLUMN infer.stat_workers.items IS 'texts computed';
COMMENT ON COLUMN infer.stat_workers.tokens IS 'tokens computed';
COMMENT ON COLUMN infer.stat_workers.batches IS 'batches computed';
COMMENT ON COLUMN infer.stat_workers.run_time IS 'milliseconds that batches took';
COMMENT ON COLUMN infer.stat_workers.generating IS 'generations under way';
COMMENT ON COLUMN infer.stat_workers.waiting_for_cache IS 'generations that wait until pg_infer.cache_memory has room for them';
COMMENT ON COLUMN infer.stat_workers.cache_used IS 'bytes that hold the tokens of generations under way';
COMMENT ON COLUMN infer.stat_workers.cache_reserved IS 'bytes that they may come to need';
COMMENT ON COLUMN infer.stat_requests.state IS 'preparing, waiting, waiting for cache, running, done or abandoned';
COMMENT ON COLUMN infer.stat_requests.items IS 'texts; of a generation the tokens that it may have';
COMMENT ON COLUMN infer.stat_requests.items_done IS 'of them, those that are computed';
COMMENT ON VIEW infer.stat_requests IS 'what each session waits for; details are shown to the role itself and to pg_read_all_stats';
COMMENT ON COLUMN infer.stat_requests.pid IS 'process of the session';
COMMENT ON COLUMN infer.stat_requests.datname IS 'its database';
COMMENT ON COLUMN infer.stat_requests.usename IS 'its role';
COMMENT ON COLUMN infer.stat_requests.kind IS 'texts, generate, forward, load, unload or verify';
COMMENT ON COLUMN infer.stat_requests.model IS 'name of the model';
COMMENT ON COLUMN infer.stat_requests.digest IS 'SHA-256 of the model''s image';
COMMENT ON COLUMN infer.stat_requests.tokens IS 'tokens of its texts';
COMMENT ON COLUMN infer.stat_requests.submitted_at IS 'when it was handed to the engines';
COMMENT ON COLUMN infer.stat_requests.worker IS 'number of the engine that has it';
