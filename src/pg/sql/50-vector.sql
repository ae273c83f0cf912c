-- ---- vectors kept as real[] ----

CREATE FUNCTION infer.cosine_similarity(a real[], b real[]) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'infer_cosine_similarity';
COMMENT ON FUNCTION infer.cosine_similarity(real[], real[]) IS 'cosine of the angle between two vectors; NaN where one is zero';

CREATE FUNCTION infer.inner_product(a real[], b real[]) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'infer_inner_product';
COMMENT ON FUNCTION infer.inner_product(real[], real[]) IS 'inner product of two vectors';

CREATE FUNCTION infer.l2_distance(a real[], b real[]) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'infer_l2_distance';
COMMENT ON FUNCTION infer.l2_distance(real[], real[]) IS 'Euclidean distance of two vectors';
