-- ---- texts and tokens ----

CREATE FUNCTION infer.tokenize(model infer.model, input text, pair text DEFAULT NULL, add_special_tokens boolean DEFAULT true)
    RETURNS TABLE (ord integer, id integer, token text, type_id integer, sequence integer, pos integer, len integer,
                   special boolean)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 500 ROWS 50 AS 'MODULE_PATHNAME', 'infer_tokenize';
COMMENT ON FUNCTION infer.tokenize(infer.model, text, text, boolean)
    IS 'tokens of a whole text or pair; substr(input, pos, len) is what a token stands for';

CREATE FUNCTION infer.encode(model infer.model, input text, pair text DEFAULT NULL, add_special_tokens boolean DEFAULT true,
                             truncate text DEFAULT NULL, max_length integer DEFAULT NULL)
    RETURNS infer.encoding
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 500 AS 'MODULE_PATHNAME', 'infer_encode';
COMMENT ON FUNCTION infer.encode(infer.model, text, text, boolean, text, integer)
    IS 'a text or pair as the model takes it; truncate: error, end or start when it is longer than max_length';

CREATE FUNCTION infer.decode(model infer.model, ids integer[], skip_special_tokens boolean DEFAULT false) RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 500 AS 'MODULE_PATHNAME', 'infer_decode';
COMMENT ON FUNCTION infer.decode(infer.model, integer[], boolean) IS 'the text that token ids stand for';

CREATE FUNCTION infer.count_tokens(model infer.model, input text, pair text DEFAULT NULL,
                                   add_special_tokens boolean DEFAULT true)
    RETURNS integer
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 500 AS 'MODULE_PATHNAME', 'infer_count_tokens';
COMMENT ON FUNCTION infer.count_tokens(infer.model, text, text, boolean) IS 'number of tokens of a whole text or pair';

CREATE FUNCTION infer.chunks(model infer.model, input text, max_tokens integer DEFAULT NULL, overlap integer DEFAULT 0)
    RETURNS TABLE (ord integer, chunk text, pos integer, len integer, tokens integer)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 1000 ROWS 10 AS 'MODULE_PATHNAME', 'infer_chunks';
COMMENT ON FUNCTION infer.chunks(infer.model, text, integer, integer)
    IS 'a text in pieces of at most max_tokens tokens, special ones included, cut between sentences or words; overlap in tokens';

CREATE FUNCTION infer.vocab(model infer.model) RETURNS TABLE (id integer, token text, special boolean)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10000 ROWS 30000 AS 'MODULE_PATHNAME', 'infer_vocab';
COMMENT ON FUNCTION infer.vocab(infer.model) IS 'vocabulary of a model';
