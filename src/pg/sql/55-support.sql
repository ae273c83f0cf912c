-- What the planner is told of calls.

CREATE FUNCTION infer.planner_support(request internal) RETURNS internal
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'infer_planner_support';
COMMENT ON FUNCTION infer.planner_support(internal) IS 'tells the planner what calls cost and how many rows they give';

DO $$
DECLARE
    function regprocedure;
BEGIN
    FOR function IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'infer'::regnamespace AND
              proname IN ('embed', 'embed_many', 'similarity', 'classify', 'classify_scores', 'classify_labels', 'classify_many',
                          'zero_shot', 'score', 'rerank', 'choose', 'choose_scores', 'tag', 'answer', 'answers', 'fill_mask',
                          'log_likelihood', 'perplexity', 'token_logprobs', 'tokenize', 'generate', 'generate_many',
                          'generate_ids', 'generate_ids_many', 'generate_enum', 'generate_row', 'generate_stream')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SUPPORT infer.planner_support', function);
    END LOOP;
END $$;
