-- ---- the model itself ----

CREATE TYPE infer.output AS (
    loss real,
    logits real[],
    start_logits real[],
    end_logits real[],
    last_hidden_state real[],
    pooler_output real[],
    hidden_states real[],
    attentions real[],
    cross_attentions real[],
    past bytea,
    seq_relationship_logits real[]
);
COMMENT ON TYPE infer.output IS 'what a model''s class returns; fields that it does not return are NULL';
COMMENT ON COLUMN infer.output.loss IS 'where labels were given';
COMMENT ON COLUMN infer.output.logits IS 'the head''s scores; shape as the class has it, batch first';
COMMENT ON COLUMN infer.output.start_logits IS 'of question answering: batch, length';
COMMENT ON COLUMN infer.output.end_logits IS 'of question answering: batch, length';
COMMENT ON COLUMN infer.output.last_hidden_state IS 'batch, length, hidden';
COMMENT ON COLUMN infer.output.pooler_output IS 'batch, hidden';
COMMENT ON COLUMN infer.output.hidden_states IS 'layer + 1, batch, length, hidden; with output_hidden_states';
COMMENT ON COLUMN infer.output.attentions IS 'layer, batch, head, query, key; with output_attentions';
COMMENT ON COLUMN infer.output.cross_attentions IS 'layer, batch, head, query, key; with output_attentions and encoder_hidden_states';
COMMENT ON COLUMN infer.output.past IS 'what a later call may pass as past, to go on from here';
COMMENT ON COLUMN infer.output.seq_relationship_logits IS 'the second output of BertForPreTraining: batch, 2';

CREATE FUNCTION infer.forward(model infer.model,
                              input_ids integer[] DEFAULT NULL,
                              attention_mask real[] DEFAULT NULL,
                              token_type_ids integer[] DEFAULT NULL,
                              position_ids integer[] DEFAULT NULL,
                              head_mask real[] DEFAULT NULL,
                              inputs_embeds real[] DEFAULT NULL,
                              encoder_hidden_states real[] DEFAULT NULL,
                              encoder_attention_mask real[] DEFAULT NULL,
                              input_shape_ids integer[] DEFAULT NULL,
                              input_pronunciation_ids integer[] DEFAULT NULL,
                              labels double precision[] DEFAULT NULL,
                              start_positions integer[] DEFAULT NULL,
                              end_positions integer[] DEFAULT NULL,
                              next_sentence_label integer[] DEFAULT NULL,
                              labels_input_ids integer[] DEFAULT NULL,
                              labels_attention_mask real[] DEFAULT NULL,
                              labels_token_type_ids integer[] DEFAULT NULL,
                              labels_input_shape_ids integer[] DEFAULT NULL,
                              labels_input_pronunciation_ids integer[] DEFAULT NULL,
                              attack_input_ids integer[] DEFAULT NULL,
                              attack_attention_mask real[] DEFAULT NULL,
                              attack_token_type_ids integer[] DEFAULT NULL,
                              attack_input_shape_ids integer[] DEFAULT NULL,
                              attack_input_pronunciation_ids integer[] DEFAULT NULL,
                              past bytea DEFAULT NULL,
                              use_cache boolean DEFAULT NULL,
                              output_hidden_states boolean DEFAULT NULL,
                              output_attentions boolean DEFAULT NULL,
                              cross_attn_head_mask real[] DEFAULT NULL)
    RETURNS infer.output
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100000 AS 'MODULE_PATHNAME', 'infer_forward';
COMMENT ON FUNCTION infer.forward(infer.model, integer[], real[], integer[], integer[], real[], real[], real[], real[], integer[], integer[],
                                  double precision[], integer[], integer[], integer[], integer[], real[], integer[], integer[], integer[],
                                  integer[], real[], integer[], integer[], integer[], bytea, boolean, boolean, boolean, real[])
    IS 'calls the model''s class with arrays, batch first; pass arguments by name';

CREATE FUNCTION infer.forward(model infer.model, encoding infer.encoding, output_hidden_states boolean DEFAULT false,
                              output_attentions boolean DEFAULT false)
    RETURNS infer.output
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100000 AS 'MODULE_PATHNAME', 'infer_forward_encoding';
COMMENT ON FUNCTION infer.forward(infer.model, infer.encoding, boolean, boolean)
    IS 'calls the model''s class with what infer.encode returns, as a batch of one';

CREATE FUNCTION infer.forward(model infer.model, arguments jsonb)
    RETURNS infer.output
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100000 AS 'MODULE_PATHNAME', 'infer_forward_json';
COMMENT ON FUNCTION infer.forward(infer.model, jsonb) IS 'calls the model''s class with its arguments in one object, by name';
