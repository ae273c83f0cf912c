-- Which weights are in memory; views infer.models and infer.stat_models read it.

CREATE FUNCTION infer.residency(
    OUT digest text, OUT state text, OUT pinned boolean, OUT size bigint,
    OUT loaded_at timestamptz, OUT last_used timestamptz, OUT error text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'infer_residency'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION infer.residency() IS
    'weights used since the start, in the whole cluster: absent, loading, resident or failed';
