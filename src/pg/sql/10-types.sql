\echo Use "CREATE EXTENSION pg_infer" to load this file. \quit

GRANT USAGE ON SCHEMA infer TO PUBLIC;

-- ---- infer.model: a model's name with the digest of its weights ----

CREATE TYPE infer.model;

CREATE FUNCTION infer.model_in(input cstring) RETURNS infer.model
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_in';
COMMENT ON FUNCTION infer.model_in(cstring) IS 'input of type infer.model: name or name@digest';

CREATE FUNCTION infer.model_out(model infer.model) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_out';
COMMENT ON FUNCTION infer.model_out(infer.model) IS 'output of type infer.model: name@digest';

CREATE FUNCTION infer.model_recv(input internal) RETURNS infer.model
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_recv';
COMMENT ON FUNCTION infer.model_recv(internal) IS 'binary input of type infer.model';

CREATE FUNCTION infer.model_send(model infer.model) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_send';
COMMENT ON FUNCTION infer.model_send(infer.model) IS 'binary output of type infer.model';

CREATE TYPE infer.model (
    INPUT = infer.model_in,
    OUTPUT = infer.model_out,
    RECEIVE = infer.model_recv,
    SEND = infer.model_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = main
);
COMMENT ON TYPE infer.model IS 'a model: its name and the digest of its weights, resolved when a literal is read';

CREATE FUNCTION infer.model_cmp(a infer.model, b infer.model) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_cmp';
COMMENT ON FUNCTION infer.model_cmp(infer.model, infer.model) IS 'order of two models: by name, then by digest';

CREATE FUNCTION infer.model_eq(a infer.model, b infer.model) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_eq';
COMMENT ON FUNCTION infer.model_eq(infer.model, infer.model) IS 'implementation of = operator';

CREATE FUNCTION infer.model_ne(a infer.model, b infer.model) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_ne';
COMMENT ON FUNCTION infer.model_ne(infer.model, infer.model) IS 'implementation of <> operator';

CREATE FUNCTION infer.model_lt(a infer.model, b infer.model) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_lt';
COMMENT ON FUNCTION infer.model_lt(infer.model, infer.model) IS 'implementation of < operator';

CREATE FUNCTION infer.model_le(a infer.model, b infer.model) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_le';
COMMENT ON FUNCTION infer.model_le(infer.model, infer.model) IS 'implementation of <= operator';

CREATE FUNCTION infer.model_gt(a infer.model, b infer.model) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_gt';
COMMENT ON FUNCTION infer.model_gt(infer.model, infer.model) IS 'implementation of > operator';

CREATE FUNCTION infer.model_ge(a infer.model, b infer.model) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_ge';
COMMENT ON FUNCTION infer.model_ge(infer.model, infer.model) IS 'implementation of >= operator';

CREATE FUNCTION infer.model_hash(model infer.model) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_hash';
COMMENT ON FUNCTION infer.model_hash(infer.model) IS 'hash';

CREATE FUNCTION infer.model_hash_extended(model infer.model, seed bigint) RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_model_hash_extended';
COMMENT ON FUNCTION infer.model_hash_extended(infer.model, bigint) IS 'hash with a seed';

CREATE OPERATOR infer.= (
    LEFTARG = infer.model, RIGHTARG = infer.model, FUNCTION = infer.model_eq,
    COMMUTATOR = OPERATOR(infer.=), NEGATOR = OPERATOR(infer.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR infer.= (infer.model, infer.model) IS 'same name and same digest';

CREATE OPERATOR infer.<> (
    LEFTARG = infer.model, RIGHTARG = infer.model, FUNCTION = infer.model_ne,
    COMMUTATOR = OPERATOR(infer.<>), NEGATOR = OPERATOR(infer.=),
    RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR infer.<> (infer.model, infer.model) IS 'another name or another digest';

CREATE OPERATOR infer.< (
    LEFTARG = infer.model, RIGHTARG = infer.model, FUNCTION = infer.model_lt,
    COMMUTATOR = OPERATOR(infer.>), NEGATOR = OPERATOR(infer.>=),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR infer.< (infer.model, infer.model) IS 'less than';

CREATE OPERATOR infer.<= (
    LEFTARG = infer.model, RIGHTARG = infer.model, FUNCTION = infer.model_le,
    COMMUTATOR = OPERATOR(infer.>=), NEGATOR = OPERATOR(infer.>),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR infer.<= (infer.model, infer.model) IS 'less than or equal';

CREATE OPERATOR infer.> (
    LEFTARG = infer.model, RIGHTARG = infer.model, FUNCTION = infer.model_gt,
    COMMUTATOR = OPERATOR(infer.<), NEGATOR = OPERATOR(infer.<=),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR infer.> (infer.model, infer.model) IS 'greater than';

CREATE OPERATOR infer.>= (
    LEFTARG = infer.model, RIGHTARG = infer.model, FUNCTION = infer.model_ge,
    COMMUTATOR = OPERATOR(infer.<=), NEGATOR = OPERATOR(infer.<),
    RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR infer.>= (infer.model, infer.model) IS 'greater than or equal';

CREATE OPERATOR CLASS infer.model_ops DEFAULT FOR TYPE infer.model USING btree AS
    OPERATOR 1 infer.<, OPERATOR 2 infer.<=, OPERATOR 3 infer.=, OPERATOR 4 infer.>=, OPERATOR 5 infer.>,
    FUNCTION 1 infer.model_cmp(infer.model, infer.model);
COMMENT ON OPERATOR CLASS infer.model_ops USING btree IS 'models by name, then by digest';

CREATE OPERATOR CLASS infer.model_ops DEFAULT FOR TYPE infer.model USING hash AS
    OPERATOR 1 infer.=,
    FUNCTION 1 infer.model_hash(infer.model), FUNCTION 2 infer.model_hash_extended(infer.model, bigint);
COMMENT ON OPERATOR CLASS infer.model_ops USING hash IS 'models by name and digest';

-- ---- infer.encoding: a text or pair as a model takes it ----

CREATE TYPE infer.encoding AS (
    input_ids integer[],
    token_type_ids integer[],
    attention_mask integer[],
    special_tokens_mask integer[],
    pos integer[],
    len integer[],
    input_shape_ids integer[],
    input_pronunciation_ids integer[]
);
COMMENT ON TYPE infer.encoding IS 'a text as token ids; pos and len are the characters a token stands for, NULL for special tokens';
COMMENT ON COLUMN infer.encoding.input_ids IS 'ids of the tokens, special ones included';
COMMENT ON COLUMN infer.encoding.token_type_ids IS '0 for the first text, 1 for the second where the tokenizer tells them apart';
COMMENT ON COLUMN infer.encoding.attention_mask IS '1 for each token';
COMMENT ON COLUMN infer.encoding.special_tokens_mask IS '1 for tokens that the tokenizer added, 0 for those of the text';
COMMENT ON COLUMN infer.encoding.pos IS 'the first character that a token stands for, from 1';
COMMENT ON COLUMN infer.encoding.len IS 'how many characters a token stands for';
COMMENT ON COLUMN infer.encoding.input_shape_ids IS 'ids of the shapes of characters; RoCBert alone has them';
COMMENT ON COLUMN infer.encoding.input_pronunciation_ids IS 'ids of how characters are pronounced; RoCBert alone has them';
