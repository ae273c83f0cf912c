-- ---- generation ----

CREATE FUNCTION infer.generate(model infer.model, prompt text,
                               max_new_tokens integer DEFAULT 64, min_new_tokens integer DEFAULT 0,
                               temperature real DEFAULT 0, top_k integer DEFAULT 0, top_p real DEFAULT 1, typical_p real DEFAULT 1,
                               repetition_penalty real DEFAULT 1, no_repeat_ngram_size integer DEFAULT 0,
                               num_beams integer DEFAULT 1, length_penalty real DEFAULT 1, early_stopping text DEFAULT 'false',
                               stop text[] DEFAULT NULL, bad_words text[] DEFAULT NULL, choices text[] DEFAULT NULL,
                               json_schema jsonb DEFAULT NULL, seed bigint DEFAULT 0,
                               add_special_tokens boolean DEFAULT true, truncate text DEFAULT NULL)
    RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5000000 AS 'MODULE_PATHNAME', 'infer_generate';
COMMENT ON FUNCTION infer.generate(infer.model, text, integer, integer, real, integer, real, real, real, integer, integer, real, text,
                                   text[], text[], text[], jsonb, bigint, boolean, text)
    IS 'how a text goes on, without the text itself; temperature 0 takes the best token every time';

CREATE FUNCTION infer.generate_many(model infer.model, prompt text,
                                    max_new_tokens integer DEFAULT 64, min_new_tokens integer DEFAULT 0,
                                    temperature real DEFAULT 0, top_k integer DEFAULT 0, top_p real DEFAULT 1, typical_p real DEFAULT 1,
                                    repetition_penalty real DEFAULT 1, no_repeat_ngram_size integer DEFAULT 0,
                                    num_beams integer DEFAULT 1, length_penalty real DEFAULT 1, early_stopping text DEFAULT 'false',
                                    stop text[] DEFAULT NULL, bad_words text[] DEFAULT NULL, choices text[] DEFAULT NULL,
                                    json_schema jsonb DEFAULT NULL, seed bigint DEFAULT 0,
                                    add_special_tokens boolean DEFAULT true, truncate text DEFAULT NULL,
                                    num_return_sequences integer DEFAULT 1)
    RETURNS TABLE (ord integer, output text, score real)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5000000 ROWS 4 AS 'MODULE_PATHNAME', 'infer_generate_many';
COMMENT ON FUNCTION infer.generate_many(infer.model, text, integer, integer, real, integer, real, real, real, integer, integer, real, text,
                                        text[], text[], text[], jsonb, bigint, boolean, text, integer)
    IS 'several ways in which a text goes on: the best beams with their scores, or drawn ones with their log-probabilities';

CREATE FUNCTION infer.generate_enum(model infer.model, prompt text, type anyenum,
                                    max_new_tokens integer DEFAULT 64, min_new_tokens integer DEFAULT 0,
                                    temperature real DEFAULT 0, top_k integer DEFAULT 0, top_p real DEFAULT 1, typical_p real DEFAULT 1,
                                    repetition_penalty real DEFAULT 1, no_repeat_ngram_size integer DEFAULT 0,
                                    num_beams integer DEFAULT 1, length_penalty real DEFAULT 1, early_stopping text DEFAULT 'false',
                                    bad_words text[] DEFAULT NULL, seed bigint DEFAULT 0, add_special_tokens boolean DEFAULT true,
                                    truncate text DEFAULT NULL)
    RETURNS anyenum
    LANGUAGE c STABLE PARALLEL SAFE COST 5000000 AS 'MODULE_PATHNAME', 'infer_generate_enum';
COMMENT ON FUNCTION infer.generate_enum(infer.model, text, anyenum, integer, integer, real, integer, real, real, real, integer, integer, real, text,
                                        text[], bigint, boolean, text)
    IS 'a label of an enum type, whose type a NULL has: NULL::mood';

CREATE FUNCTION infer.generate_row(model infer.model, prompt text, type anyelement,
                                   max_new_tokens integer DEFAULT 64, min_new_tokens integer DEFAULT 0,
                                   temperature real DEFAULT 0, top_k integer DEFAULT 0, top_p real DEFAULT 1, typical_p real DEFAULT 1,
                                   repetition_penalty real DEFAULT 1, no_repeat_ngram_size integer DEFAULT 0,
                                   num_beams integer DEFAULT 1, length_penalty real DEFAULT 1, early_stopping text DEFAULT 'false',
                                   bad_words text[] DEFAULT NULL, seed bigint DEFAULT 0, add_special_tokens boolean DEFAULT true,
                                   truncate text DEFAULT NULL)
    RETURNS anyelement
    LANGUAGE c STABLE PARALLEL SAFE COST 5000000 AS 'MODULE_PATHNAME', 'infer_generate_row';
COMMENT ON FUNCTION infer.generate_row(infer.model, text, anyelement, integer, integer, real, integer, real, real, real, integer, integer, real, text,
                                       text[], bigint, boolean, text)
    IS 'a value of a composite type, whose type a NULL has: NULL::mytype; its fields are generated as JSON';

CREATE FUNCTION infer.generate_stream(model infer.model, prompt text,
                                      max_new_tokens integer DEFAULT 64, min_new_tokens integer DEFAULT 0,
                                      temperature real DEFAULT 0, top_k integer DEFAULT 0, top_p real DEFAULT 1, typical_p real DEFAULT 1,
                                      repetition_penalty real DEFAULT 1, no_repeat_ngram_size integer DEFAULT 0,
                                      num_beams integer DEFAULT 1, length_penalty real DEFAULT 1, early_stopping text DEFAULT 'false',
                                      stop text[] DEFAULT NULL, bad_words text[] DEFAULT NULL, choices text[] DEFAULT NULL,
                                      json_schema jsonb DEFAULT NULL, seed bigint DEFAULT 0,
                                      add_special_tokens boolean DEFAULT true, truncate text DEFAULT NULL)
    RETURNS TABLE (ord integer, token text, token_id integer, logprob real)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5000000 ROWS 64 AS 'MODULE_PATHNAME', 'infer_generate_stream';
COMMENT ON FUNCTION infer.generate_stream(infer.model, text, integer, integer, real, integer, real, real, real, integer, integer, real, text,
                                          text[], text[], text[], jsonb, bigint, boolean, text)
    IS 'how a text goes on, a row for each token as soon as there is one; call it in a select list';

CREATE FUNCTION infer.generate_ids(model infer.model, input_ids integer[],
                                   max_new_tokens integer DEFAULT 64, min_new_tokens integer DEFAULT 0,
                                   temperature real DEFAULT 0, top_k integer DEFAULT 0, top_p real DEFAULT 1, typical_p real DEFAULT 1,
                                   repetition_penalty real DEFAULT 1, no_repeat_ngram_size integer DEFAULT 0,
                                   num_beams integer DEFAULT 1, length_penalty real DEFAULT 1, early_stopping text DEFAULT 'false',
                                   stop text[] DEFAULT NULL, bad_words text[] DEFAULT NULL, choices text[] DEFAULT NULL,
                                   json_schema jsonb DEFAULT NULL, seed bigint DEFAULT 0,
                                   bad_words_ids jsonb DEFAULT NULL, suppress_tokens integer[] DEFAULT NULL,
                                   eos_token_id integer[] DEFAULT NULL, pad_token_id integer DEFAULT NULL,
                                   forced_eos_token_id integer DEFAULT NULL, input_shape_ids integer[] DEFAULT NULL,
                                   input_pronunciation_ids integer[] DEFAULT NULL)
    RETURNS integer[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5000000 AS 'MODULE_PATHNAME', 'infer_generate_ids';
COMMENT ON FUNCTION infer.generate_ids(infer.model, integer[], integer, integer, real, integer, real, real, real, integer, integer, real, text,
                                       text[], text[], text[], jsonb, bigint, jsonb, integer[], integer[], integer, integer, integer[], integer[])
    IS 'token ids and those that follow them; ids that are not given are those of generation_config.json';

CREATE FUNCTION infer.generate_ids_many(model infer.model, input_ids integer[],
                                        max_new_tokens integer DEFAULT 64, min_new_tokens integer DEFAULT 0,
                                        temperature real DEFAULT 0, top_k integer DEFAULT 0, top_p real DEFAULT 1, typical_p real DEFAULT 1,
                                        repetition_penalty real DEFAULT 1, no_repeat_ngram_size integer DEFAULT 0,
                                        num_beams integer DEFAULT 1, length_penalty real DEFAULT 1, early_stopping text DEFAULT 'false',
                                        stop text[] DEFAULT NULL, bad_words text[] DEFAULT NULL, choices text[] DEFAULT NULL,
                                        json_schema jsonb DEFAULT NULL, seed bigint DEFAULT 0,
                                        bad_words_ids jsonb DEFAULT NULL, suppress_tokens integer[] DEFAULT NULL,
                                        eos_token_id integer[] DEFAULT NULL, pad_token_id integer DEFAULT NULL,
                                        forced_eos_token_id integer DEFAULT NULL, input_shape_ids integer[] DEFAULT NULL,
                                        input_pronunciation_ids integer[] DEFAULT NULL, num_return_sequences integer DEFAULT 1)
    RETURNS TABLE (ord integer, output_ids integer[], score real)
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5000000 ROWS 4 AS 'MODULE_PATHNAME', 'infer_generate_ids_many';
COMMENT ON FUNCTION infer.generate_ids_many(infer.model, integer[], integer, integer, real, integer, real, real, real, integer, integer, real, text,
                                            text[], text[], text[], jsonb, bigint, jsonb, integer[], integer[], integer, integer, integer[], integer[], integer)
    IS 'several ways in which token ids go on, as infer.generate_many';
