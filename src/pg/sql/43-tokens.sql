-- ---- what stands where in a text ----

CREATE FUNCTION infer.tag(model infer.model, input text, aggregation text DEFAULT 'simple', stride integer DEFAULT NULL,
                          ignore_labels text[] DEFAULT '{O}')
    RETURNS TABLE (ord integer, tag text, score real, word text, pos integer, len integer)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100000 ROWS 10 AS 'MODULE_PATHNAME', 'infer_tag';
COMMENT ON FUNCTION infer.tag(infer.model, text, text, integer, text[])
    IS 'entities of a text: tokens (none), neighbours of one tag (simple), or words (first, average, max); stride: read a long text in windows that share so many tokens';

CREATE FUNCTION infer.answer(model infer.model, question text, context text, doc_stride integer DEFAULT 128,
                             max_answer_len integer DEFAULT 15, max_question_len integer DEFAULT 64,
                             max_seq_len integer DEFAULT 384, handle_impossible_answer boolean DEFAULT false)
    RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 200000 AS 'MODULE_PATHNAME', 'infer_answer';
COMMENT ON FUNCTION infer.answer(infer.model, text, text, integer, integer, integer, integer, boolean)
    IS 'the part of a context that best answers a question; NULL for no answer';

CREATE FUNCTION infer.answers(model infer.model, question text, context text, top_k integer DEFAULT 1,
                              doc_stride integer DEFAULT 128, max_answer_len integer DEFAULT 15,
                              max_question_len integer DEFAULT 64, max_seq_len integer DEFAULT 384,
                              handle_impossible_answer boolean DEFAULT false)
    RETURNS TABLE (answer text, score real, pos integer, len integer)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 200000 ROWS 1 AS 'MODULE_PATHNAME', 'infer_answers';
COMMENT ON FUNCTION infer.answers(infer.model, text, text, integer, integer, integer, integer, integer, boolean)
    IS 'parts of a context that answer a question, best first; pos 0: no answer; a long context is read in windows of max_seq_len tokens, of which doc_stride overlap';

CREATE FUNCTION infer.fill_mask(model infer.model, input text, top_k integer DEFAULT 5, targets text[] DEFAULT NULL,
                                truncate text DEFAULT NULL)
    RETURNS TABLE (mask integer, token text, token_id integer, score real, sequence text)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100000 ROWS 5 AS 'MODULE_PATHNAME', 'infer_fill_mask';
COMMENT ON FUNCTION infer.fill_mask(infer.model, text, integer, text[], text)
    IS 'the likeliest tokens for each mask of a text; targets: choose among these tokens';
