-- ---- texts to labels and scores ----

CREATE FUNCTION infer.classify(model infer.model, input text, pair text DEFAULT NULL, truncate text DEFAULT NULL)
    RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 50000 AS 'MODULE_PATHNAME', 'infer_classify';
COMMENT ON FUNCTION infer.classify(infer.model, text, text, text) IS 'the likeliest label of a text, or of a pair of texts';

CREATE FUNCTION infer.classify_scores(model infer.model, input text, pair text DEFAULT NULL, top_k integer DEFAULT NULL,
                                      function_to_apply text DEFAULT NULL, truncate text DEFAULT NULL)
    RETURNS TABLE (label text, score real)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 50000 ROWS 5 AS 'MODULE_PATHNAME', 'infer_classify_scores';
COMMENT ON FUNCTION infer.classify_scores(infer.model, text, text, integer, text, text)
    IS 'labels and their scores, best first; function_to_apply: softmax, sigmoid or none';

CREATE FUNCTION infer.classify_labels(model infer.model, input text, threshold real DEFAULT 0.5, pair text DEFAULT NULL,
                                      truncate text DEFAULT NULL)
    RETURNS text[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 50000 AS 'MODULE_PATHNAME', 'infer_classify_labels';
COMMENT ON FUNCTION infer.classify_labels(infer.model, text, real, text, text)
    IS 'all labels whose own probability exceeds a threshold, best first';

CREATE FUNCTION infer.classify_many(model infer.model, inputs text[], pairs text[] DEFAULT NULL, truncate text DEFAULT NULL,
                                    function_to_apply text DEFAULT NULL)
    RETURNS TABLE (ord bigint, label text, score real)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5000000 ROWS 100 AS 'MODULE_PATHNAME', 'infer_classify_many';
COMMENT ON FUNCTION infer.classify_many(infer.model, text[], text[], text, text)
    IS 'the likeliest label of each of many texts and its score, in their order; NULL for a NULL';

CREATE FUNCTION infer.zero_shot(model infer.model, input text, labels text[], hypothesis text DEFAULT 'This example is {}.',
                                multi_label boolean DEFAULT false, truncate text DEFAULT NULL)
    RETURNS TABLE (label text, score real)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 250000 ROWS 5 AS 'MODULE_PATHNAME', 'infer_zero_shot';
COMMENT ON FUNCTION infer.zero_shot(infer.model, text, text[], text, boolean, text)
    IS 'any labels and their scores, best first, by a model that tells what follows from a text';

CREATE FUNCTION infer.score(model infer.model, input text, pair text DEFAULT NULL, truncate text DEFAULT NULL,
                            function_to_apply text DEFAULT NULL)
    RETURNS real
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 50000 AS 'MODULE_PATHNAME', 'infer_score';
COMMENT ON FUNCTION infer.score(infer.model, text, text, text, text)
    IS 'the number that a regression or rerank model gives a text or a pair';

CREATE FUNCTION infer.rerank(model infer.model, query text, documents text[], top_k integer DEFAULT NULL, truncate text DEFAULT NULL)
    RETURNS TABLE (ord bigint, document text, score real)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 1000000 ROWS 20 AS 'MODULE_PATHNAME', 'infer_rerank';
COMMENT ON FUNCTION infer.rerank(infer.model, text, text[], integer, text)
    IS 'documents by how well they answer a query, best first; ord: their place in the array';

CREATE FUNCTION infer.choose(model infer.model, prompt text, choices text[], truncate text DEFAULT NULL)
    RETURNS integer
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 150000 AS 'MODULE_PATHNAME', 'infer_choose';
COMMENT ON FUNCTION infer.choose(infer.model, text, text[], text) IS 'the number of the choice that fits a prompt best, from 1';

CREATE FUNCTION infer.choose_scores(model infer.model, prompt text, choices text[], truncate text DEFAULT NULL)
    RETURNS TABLE (ord integer, choice text, score real)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 150000 ROWS 4 AS 'MODULE_PATHNAME', 'infer_choose_scores';
COMMENT ON FUNCTION infer.choose_scores(infer.model, text, text[], text)
    IS 'choices and how well they fit a prompt, in their order; scores add up to 1';
