-- ---- how likely a text is ----

CREATE FUNCTION infer.log_likelihood(model infer.model, input text, context text DEFAULT NULL)
    RETURNS double precision
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100000 AS 'MODULE_PATHNAME', 'infer_log_likelihood';
COMMENT ON FUNCTION infer.log_likelihood(infer.model, text, text)
    IS 'logarithm of the probability that a language model gives a text, behind a context if there is one';

CREATE FUNCTION infer.perplexity(model infer.model, input text) RETURNS double precision
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100000 AS 'MODULE_PATHNAME', 'infer_perplexity';
COMMENT ON FUNCTION infer.perplexity(infer.model, text)
    IS 'how surprising a language model finds a text: e to the mean of -ln probability of its tokens';

CREATE FUNCTION infer.token_logprobs(model infer.model, input text)
    RETURNS TABLE (ord integer, token text, token_id integer, logprob real)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100000 ROWS 20 AS 'MODULE_PATHNAME', 'infer_token_logprobs';
COMMENT ON FUNCTION infer.token_logprobs(infer.model, text)
    IS 'tokens of a text and the logarithms of the probabilities that a language model gives them';
