-- ---- texts to vectors ----

CREATE FUNCTION infer.embed(model infer.model, input text, prompt text DEFAULT NULL, dimensions integer DEFAULT NULL,
                            pooling text DEFAULT NULL, "normalize" boolean DEFAULT NULL, truncate text DEFAULT NULL)
    RETURNS real[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 50000 AS 'MODULE_PATHNAME', 'infer_embed';
COMMENT ON FUNCTION infer.embed(infer.model, text, text, integer, text, boolean, text)
    IS 'vector of a text; prompt: the name of one the model has, or a text to put before the input';

CREATE FUNCTION infer.embed_many(model infer.model, inputs text[], prompt text DEFAULT NULL, dimensions integer DEFAULT NULL,
                                 pooling text DEFAULT NULL, "normalize" boolean DEFAULT NULL, truncate text DEFAULT NULL)
    RETURNS TABLE (ord bigint, embedding real[])
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5000000 ROWS 100 AS 'MODULE_PATHNAME', 'infer_embed_many';
COMMENT ON FUNCTION infer.embed_many(infer.model, text[], text, integer, text, boolean, text)
    IS 'vectors of many texts, in their order; NULL for a NULL';

CREATE FUNCTION infer.similarity(model infer.model, a text, b text) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100000 AS 'MODULE_PATHNAME', 'infer_similarity';
COMMENT ON FUNCTION infer.similarity(infer.model, text, text) IS 'cosine similarity of the vectors of two texts';
