-- Which models are in memory; view infer.models reads it too.

CREATE FUNCTION infer.residency(
    OUT digest text, OUT state text, OUT pinned boolean, OUT size bigint,
    OUT loaded_at timestamptz, OUT last_used timestamptz, OUT error text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'infer_residency'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION infer.residency() IS
    'models the cluster has used since it started: absent, loading, resident or failed, and whether they are kept';
