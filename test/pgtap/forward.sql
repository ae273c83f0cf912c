-- infer.forward's ways to be called, and what it refuses.  Tests name the rows of the feature checklist that they prove.
\set ON_ERROR_STOP on
\set QUIET on
\set root `pwd` '/test/reference/families/'
SET client_min_messages = warning;
BEGIN;
SELECT no_plan();

SELECT infer.create_model(name, :'root' || name) IS NOT NULL FROM unnest('{bert-model, bert-decoder, bert-lm-head-cross, bert-sequence,
    bert-question, bert-token, bert-multiple-choice, bert-next-sentence, opt-causal-lm, roformer-tf-model, roformer-causal-lm-cross,
    roformer-masked-lm, rocbert-model, mega-causal-lm, mega-model}'::text[]) AS name \g /dev/null
SELECT infer.create_model('other-weights', :'root' || 'bert-decoder', '{"precision": "bf16"}') \g /dev/null

-- The whole result of a call as text: equal texts, equal bits.
CREATE FUNCTION pg_temp.call(model text, arguments text, past bytea DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SELECT infer.forward(%L, %s)::text', model, arguments) INTO result USING past;
    RETURN result;
END $$;

-- ---- one call in three forms ----

-- Keywords, a list in order, a dictionary: TF classes' forms are named arguments, arguments in order, one jsonb.
SELECT unnest(ARRAY[
       is(pg_temp.call(model, pg_catalog.format('input_ids => %L, attention_mask => %L, token_type_ids => %L', ids, mask, types)),
          pg_temp.call(model, pg_catalog.format('%L::int[], %L, %L', ids, mask, types)),
          'in order as by name: ' || model || ' [CM-14 RF-68 OP-17]'),
       is(pg_temp.call(model, pg_catalog.format('input_ids => %L, attention_mask => %L, token_type_ids => %L', ids, mask, types)),
          pg_temp.call(model, quote_literal(jsonb_build_object('input_ids', array_to_json(ids::int[]), 'attention_mask', array_to_json(mask::real[]),
                                                               'token_type_ids', array_to_json(types::int[]))) || '::jsonb'),
          'in one object as by name: ' || model || ' [CM-14 RF-68 OP-17]')])
FROM (VALUES ('bert-model', '{{1,2,3},{4,5,6}}', '{{1,1,1},{1,1,0}}', '{{0,0,1},{0,1,1}}'),
             ('roformer-tf-model', '{{7,8,9}}', '{{1,1,0.5}}', '{{1,1,0}}'),
             ('opt-causal-lm', '{{7,8,9}}', '{{1,1,0}}', NULL)) AS v(model, ids, mask, types);
SELECT is(pg_temp.call('bert-model', $$'{"input_ids": [1, 2, 3]}'::jsonb$$), pg_temp.call('bert-model', $$'{1,2,3}'::int[]$$),
          'a batch of one without its dimension, in both forms [CM-14]');
SELECT is(pg_temp.call('bert-model', $$'{"input_ids": [[1, 2]], "position_ids": null, "output_attentions": true, "output_hidden_states": true}'::jsonb$$),
          pg_temp.call('bert-model', $$input_ids => '{{1,2}}', output_attentions => true, output_hidden_states => true$$),
          'null is not given; options by name [CM-14 CM-11 CM-12]');
SELECT is(pg_temp.call('bert-model', $$'{"input_ids": [[1.0, 2e0]], "head_mask": [1, 0.25, 0.1, -3e-2]}'::jsonb$$),
          pg_temp.call('bert-model', $$input_ids => '{{1,2}}', head_mask => '{1, 0.25, 0.1, -0.03}'$$),
          'numbers in other spellings [CM-14]');
SELECT is(pg_temp.call('bert-decoder', $$'{"input_ids": [[3]], "use_cache": true}'::jsonb || jsonb_build_object('past', $1)$$, past),
          pg_temp.call('bert-decoder', $$input_ids => '{{3}}', use_cache => true, past => $1$$, past), 'the past in an object [CM-14]')
FROM (SELECT (infer.forward('bert-decoder', '{{1,2}}'::int[], use_cache => true)).past) AS first;
SELECT is(infer.forward('bert-model', NULL::jsonb)::text, NULL, 'NULL arguments give NULL');

-- What is wrong in an object is named with its JSON path.
SELECT throws_ok(pg_catalog.format('SELECT infer.forward(''bert-model'', %L::jsonb)', arguments), state, message, 'refused: ' || arguments || ' [CM-14]')
FROM (VALUES
    ('{"input_ids": [[1, 2], [3]]}', '2202E', '$.input_ids[1] has 1 elements, but the arrays beside it have 2'),
    ('{"input_ids": [[1, "2"]]}', '22023', '$.input_ids[0][1] is a string, not a number'),
    ('{"input_ids": [[1, null]]}', '22004', '$.input_ids[0][1] is null, not a number'),
    ('{"input_ids": [[1, 2.5]]}', '22003', '$.input_ids[0][1] is 2.5, which is no value of type integer'),
    ('{"input_ids": [[1], 2]}', '22023', '$.input_ids[1] is a number, not an array, as others at this depth'),
    ('{"input_ids": [1, [2]]}', '22023', '$.input_ids[1] is an array, not a number, as others at this depth'),
    ('{"input_ids": [[], 2]}', '22023', '$.input_ids[1] is a number, not an array, as others at this depth'),
    ('{"input_ids": [[1, {"a": 2}]]}', '22023', '$.input_ids[0][1] is an object, not a number'),
    ('{"input_ids": [3000000000]}', '22003', '$.input_ids[0] is 3000000000, which is no value of type integer'),
    ('{"input_ids": 1}', '22023', '$.input_ids is a number, not an array'),
    ('{"input_ids": {"a": [1]}}', '22023', '$.input_ids is an object, not an array'),
    ('{"input_ids": [[[[[[[1]]]]]]]}', '54000', '$.input_ids[0][0][0][0][0][0] is nested deeper than the 6 dimensions of an array'),
    ('{"input_ids": [1], "attention_mask": [1e40]}', '22003', '$.attention_mask[0] is 10000000000000000000000000000000000000000, which is no value of type real'),
    ('{"input_ids": [1], "use_cache": 1}', '22023', '$.use_cache is a number, not a boolean'),
    ('{"input_ids": [1], "past": [1]}', '22023', '$.past is an array, not a string'),
    ('{"input_ids": [1], "past": "\\x0g"}', '22P02', '$.past is no bytea in hexadecimal'),
    ('{"input_id": [1]}', '42P02', 'unrecognized argument "input_id"'),
    -- Flax's arguments that only training has: no counterpart [OP-28]
    ('{"input_ids": [1], "dropout_rng": 0}', '42P02', 'unrecognized argument "dropout_rng"'),
    ('{"input_ids": [1], "params": {}}', '42P02', 'unrecognized argument "params"'),
    ('[[1, 2]]', '22023', 'arguments must be a JSON object, but are an array'),
    ('1', '22023', 'arguments must be a JSON object, but are a single value')) AS v(arguments, state, message);

-- ---- what is accepted and has no effect ----

SELECT is(pg_temp.call('roformer-causal-lm-cross', arguments || ', cross_attn_head_mask => ' || quote_literal(mask)),
          pg_temp.call('roformer-causal-lm-cross', arguments), 'cross_attn_head_mask has no effect: ' || mask || ' [RF-43]')
FROM (SELECT $$input_ids => '{{1,2}}', encoder_hidden_states => array_fill(0.5::real, '{1,3,24}')$$ AS arguments) AS a,
     unnest('{"{0,1,0.5}", "{{0,0,0},{1,0,1}}"}'::text[]) AS mask;

-- ---- a decoder's pads on the left ----

-- Transformers gives NaN for the pads, and for all behind them in the next layer.
SELECT is((padded).logits[:1][3:4][:], (alone).logits, 'real tokens behind pads have the logits that they have alone [MG-58]')
FROM infer.forward('mega-causal-lm', '{{1,1,5,6},{1,1,1,7}}'::int[], attention_mask => '{{0,0,1,1},{0,0,0,1}}', use_cache => false) AS padded,
     infer.forward('mega-causal-lm', '{{5,6}}'::int[], use_cache => false) AS alone;

-- ---- what a reduced precision costs is in the card ----

SELECT infer.create_model('sequence-' || precision, :'root' || 'bert-sequence', jsonb_build_object('precision', precision))
    FROM unnest('{bf16, int8}'::text[]) AS precision \g /dev/null
SELECT matches(infer.model_card(('sequence-' || precision)::infer.model), format(E'Stored as %s\\. For a test input of 44 tokens .*\n'
               '\\| last hidden states \\| 0\\.\\d+ \\| 0\\.\\d+ \\| 0\\.999\\d+ \\|\n\\| logits \\| 0\\.\\d+ \\| 0\\.\\d+ \\| 0\\.99\\d+ \\|\n', precision),
               'the card of ' || precision || ' has the distance from fp32')
FROM unnest('{bf16, int8}'::text[]) AS precision;
SELECT is(infer.model_card('bert-sequence'), NULL, 'fp32 has no distance');

-- ---- an encoding of one's own ----

SELECT is((infer.forward('bert-model', ROW('{1,2,3,4}'::int[], NULL, mask, NULL, NULL, NULL, NULL, NULL)::infer.encoding)).last_hidden_state,
          (infer.forward('bert-model', '{1,2,3,4}'::int[], attention_mask => mask::real[])).last_hidden_state, 'its mask counts: ' || mask::text)
FROM (VALUES ('{1,1,0,1}'::int[]), ('{1,1,1,1}')) AS v(mask);
SELECT throws_like($$SELECT infer.forward('bert-model', ROW('{1,2,3,4}'::int[], NULL, '{1,1,1}'::int[], NULL, NULL, NULL, NULL, NULL)::infer.encoding)$$,
                   '%attention_mask has the shape [1][3], but must have [1][4]', 'and has a length');

-- ---- keys of config.json set at import ----

SELECT infer.create_model('causal', :'root' || 'roformer-masked-lm', '{"architecture": "RoFormerForCausalLM", "config": {"is_decoder": true}}') \g /dev/null
SELECT is(((infer.forward('causal', '{{1,2,3}}'::int[], use_cache => false)).logits)[:1][:2][:],
          (infer.forward('causal', '{{1,2}}'::int[], use_cache => false)).logits,
          'is_decoder set at import: a token does not see those behind it [RF-44]');
SELECT isnt(((infer.forward('roformer-masked-lm', '{{1,2,3}}'::int[])).logits)[:1][:2][:],
            (infer.forward('roformer-masked-lm', '{{1,2}}'::int[])).logits, 'as config.json has it, it does [RF-44]');
SELECT isnt((infer.forward('causal', '{{1,2,3}}'::int[])).past, NULL, 'and there is a past [RF-44]');
SELECT is(infer.config('causal'), infer.config('roformer-masked-lm') || '{"is_decoder": true}', 'the config shows what counts [MG-27]');
SELECT is(infer.config(made) - (SELECT array_agg(k) FROM jsonb_object_keys(file) AS k),
          wanted::jsonb, 'the config of ' || model || ' has every default of its family [RF-09 MG-27 OP-01 RP-01 RB-01]')
FROM (VALUES
    ('roformer-minimal-config', '{"pad_token_id": 0, "embedding_size": 12, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12, "rotary_value": false, "use_cache": true}'),
    ('opt-minimal-config', '{"bos_token_id": 2, "pad_token_id": 1, "eos_token_id": 2, "word_embed_proj_dim": 12, "dropout": 0.1, "attention_dropout": 0.0, "activation_function": "relu", "init_std": 0.02, "layerdrop": 0.0, "use_cache": true, "do_layer_norm_before": true, "enable_bias": true, "layer_norm_elementwise_affine": true, "_remove_final_layer_norm": false}'),
    ('mega-minimal-config', '{"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "activation": "silu", "attention_activation": "softmax", "bidirectional": true, "use_chunking": false, "chunk_size": -1, "truncation": null, "normalize_before_mega": true, "normalization_type": "scalenorm", "norm_affine": true, "dropout_prob": 0.1, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "use_feature_dropout": false, "use_normalized_ffn": true, "normalize_before_ffn": true, "nffn_activation_dropout_prob": 0.1, "add_token_type_embeddings": false, "type_vocab_size": 2, "initializer_range": 0.02, "ema_delta_alpha_range": 0.2, "ema_beta_range": 0.02, "ema_gamma_omega_range": 1.0, "relative_positional_bias": "rotary", "use_cache": true, "classifier_dropout": null, "add_lm_hidden_dense_layer": true, "num_attention_heads": 1}'),
    ('roberta-minimal-config', '{"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12, "position_embedding_type": "absolute", "use_cache": true, "classifier_dropout": null}'),
    ('rocbert-minimal-config', '{"pad_token_id": 0, "type_vocab_size": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "initializer_range": 0.02, "layer_norm_eps": 1e-12, "use_cache": true, "enable_pronunciation": true, "enable_shape": true, "concat_input": true, "position_embedding_type": "absolute", "classifier_dropout": null}')) AS v(model, wanted),
    infer.create_model(model, :'root' || model) AS made,
    LATERAL (SELECT pg_read_file(:'root' || model || '/config.json')::jsonb) AS f(file);
SELECT throws_matching(format('SELECT infer.create_model(''bad'', %L, %L)', :'root' || 'roformer-masked-lm', options), wanted, 'refused: ' || options)
FROM (VALUES ('{"config": [1]}', 'option config is .*, but must be an object'),
             ('{"config": {"hidden_size": 25}}', '25'),
             ('{"forward_ema": true}', 'option forward_ema is true, but RoFormerForMaskedLM has no moving average'),
             ('{"forward_ema": 3}', 'boolean|forward_ema')) AS v(options, wanted);

-- ---- bad arguments: an error that names both values, and the session goes on ----

SELECT throws_matching(pg_catalog.format('SELECT infer.forward(%L, %s)', model, arguments), wanted, pg_catalog.format('%s refuses %s [CM-15]', model, arguments))
FROM (VALUES
    -- rank
    ('bert-model', $$input_ids => '{{{1,2}}}'$$, 'input_ids has the shape \[1\]\[1\]\[2\], but BertModel takes 2 dimensions, or 1'),
    ('bert-multiple-choice', $$input_ids => '{1,2}'$$, 'input_ids has the shape \[2\], but BertForMultipleChoice takes 3 dimensions, or 2'),
    ('bert-model', $$inputs_embeds => '{1,2}'$$, 'inputs_embeds has the shape \[2\], but BertModel takes 3 dimensions, or 2'),
    ('bert-model', $$inputs_embeds => '{{{1,2}}}'$$, 'inputs_embeds are 2 numbers wide, but the model.s embeddings 20'),
    ('bert-model', $$input_ids => '{}'::int[]$$, 'input_ids has a dimension of 0'),
    ('bert-model', $$input_ids => '{{1,2}}', token_type_ids => '{{{0,1}}}'$$, 'token_type_ids has the shape \[1\]\[1\]\[2\], but must have \[1\]\[2\]'),
    ('bert-lm-head-cross', $$input_ids => '{{1,2}}', encoder_hidden_states => '{1}'$$, 'encoder_hidden_states has the shape \[1\], but must have \[1\]\[0\]\[20\]'),
    -- batch and length
    ('bert-model', $$input_ids => '{{1,2},{3,4}}', token_type_ids => '{{0,1}}'$$, 'token_type_ids has the shape \[1\]\[2\], but must have \[2\]\[2\]'),
    ('bert-model', $$input_ids => '{{1,2}}', position_ids => '{{0,1,2}}'$$, 'position_ids has the shape \[1\]\[3\], but must have \[1\]\[2\]'),
    ('bert-lm-head-cross', $$input_ids => '{{1},{2}}', encoder_hidden_states => array_fill(0::real, '{1,3,20}')$$,
     'encoder_hidden_states has the shape \[1\]\[3\]\[20\], but must have \[2\]\[3\]\[20\]'),
    ('bert-lm-head-cross', $$input_ids => '{{1}}', encoder_hidden_states => array_fill(0::real, '{1,3,19}')$$,
     'encoder_hidden_states has the shape \[1\]\[3\]\[19\], but must have \[1\]\[3\]\[20\]'),
    ('rocbert-model', $$input_ids => '{{1,2}}', input_shape_ids => '{{1}}'$$, 'input_shape_ids has the shape \[1\]\[1\], but must have \[1\]\[2\]'),
    -- masks
    ('bert-model', $$input_ids => '{{1,2}}', attention_mask => '{{1,1,1}}'$$, 'attention_mask has the shape \[1\]\[3\], but must have \[1\]\[2\]'),
    ('bert-model', $$input_ids => '{{1,2}}', attention_mask => '{{{1,1}}}'$$, 'attention_mask has the shape \[1\]\[1\]\[2\], but must have \[1\]\[2\]\[2\]'),
    ('bert-model', $$input_ids => '{{1,2}}', attention_mask => '{{1,2}}'$$, 'attention_mask has the value 2, not 0, 1 or between'),
    ('bert-model', $$input_ids => '{{1,2}}', attention_mask => '{{1,NaN}}'$$, 'attention_mask has the value -?nan'),
    ('mega-model', $$input_ids => '{{1,2}}', attention_mask => '{{1,0.5}}'$$, 'attention_mask has the value 0.5, which is neither 0 nor 1'),
    ('mega-model', $$input_ids => '{{1,2}}', attention_mask => '{{{1,1},{1,1}}}'$$, 'attention_mask has 2 rows'),
    ('bert-model', $$input_ids => '{{1,2}}', head_mask => '{1,1,1}'$$, 'head_mask has the shape \[3\], but must have \[2\]\[4\] or \[4\]'),
    ('bert-model', $$input_ids => '{{1,2}}', head_mask => '{1,1,1,Infinity}'$$, 'head_mask has the value inf, which is not finite'),
    ('opt-causal-lm', $$input_ids => '{{1,2}}', head_mask => '{1,1,1,1}'$$, 'head_mask has the shape \[4\], but must have \[2\]\[4\]'),
    ('bert-lm-head-cross', $$input_ids => '{{1}}', encoder_hidden_states => array_fill(0::real, '{1,3,20}'), encoder_attention_mask => '{{1,1}}'$$,
     'encoder_attention_mask has the shape \[1\]\[2\], but must have \[1\]\[3\]'),
    ('roformer-causal-lm-cross', $$input_ids => '{{1}}', cross_attn_head_mask => '{1,1}'$$,
     'cross_attn_head_mask has the shape \[2\], but must have \[2\]\[3\] or \[3\]'),
    ('bert-lm-head-cross', $$input_ids => '{{1}}', cross_attn_head_mask => '{1,1,1,1}'$$, 'BertLMHeadModel takes no cross_attn_head_mask'),
    -- ids
    ('bert-model', $$input_ids => '{{1,50}}'$$, 'input id 50 .*0.*49'),
    ('bert-model', $$input_ids => '{{-1,1}}'$$, 'input id -1 .*0.*49'),
    ('bert-model', $$input_ids => '{{1,2}}', token_type_ids => '{{0,2}}'$$, 'token type id 2 .*0.*1'),
    ('bert-model', $$input_ids => '{{1,2}}', position_ids => '{{0,24}}'$$, 'position id 24 .*0.*23'),
    ('rocbert-model', $$input_ids => '{{1,2}}', input_shape_ids => '{{0,99}}'$$, 'shape id 99 .*0.*28'),
    ('rocbert-model', $$input_ids => '{{1,2}}', input_pronunciation_ids => '{{0,-2}}'$$, 'pronunciation id -2 .*0.*22'),
    -- both or neither
    ('bert-model', $$attention_mask => '{{1}}'$$, 'input_ids or inputs_embeds must be given'),
    ('bert-model', $$input_ids => '{{1}}', inputs_embeds => array_fill(0::real, '{1,1,20}')$$, 'input_ids and inputs_embeds are both given'),
    -- not this class's
    ('bert-model', $$input_ids => '{{1}}', labels => '{{1}}'$$, 'BertModel takes no labels'),
    ('opt-causal-lm', $$input_ids => '{{1}}', token_type_ids => '{{0}}'$$, 'OPTForCausalLM takes no token_type_ids'),
    ('mega-model', $$input_ids => '{{1}}', position_ids => '{{0}}'$$, 'MegaModel takes no position_ids'),
    ('bert-model', $$input_ids => '{{1}}', input_shape_ids => '{{0}}'$$, 'BertModel takes no input_shape_ids'),
    ('bert-model', $$input_ids => '{{1}}', start_positions => '{0}'$$, 'BertModel takes no start_positions'),
    ('bert-model', $$input_ids => '{{1}}', attack_input_ids => '{{0}}'$$, 'BertModel takes no attack_input_ids'),
    ('bert-model', $$input_ids => '{{1}}', past => '\x00'$$, 'BertModel takes no past'),
    -- labels
    ('bert-sequence', $$input_ids => '{{1},{2}}', labels => '{0}'$$, 'labels has the shape \[1\], but must have \[2\]'),
    ('bert-sequence', $$input_ids => '{{1},{2}}', labels => '{0,5}'$$, 'label 5 in labels is neither a whole number between 0 and 4'),
    ('bert-sequence', $$input_ids => '{{1},{2}}', labels => '{0,0.5}'$$, 'label 0.5 in labels'),
    ('bert-sequence', $$input_ids => '{{1},{2}}', labels => '{0,NaN}'$$, 'label nan in labels'),
    ('bert-token', $$input_ids => '{{1,2}}', labels => '{{0}}'$$, 'labels has the shape \[1\]\[1\], but must have \[1\]\[2\]'),
    ('bert-multiple-choice', $$input_ids => '{{{1},{2}}}', labels => '{2}'$$, 'label 2 in labels is neither a whole number between 0 and 1'),
    ('bert-next-sentence', $$input_ids => '{{1}}', next_sentence_label => '{-1}'$$, 'label -1 in next_sentence_label'),
    ('bert-question', $$input_ids => '{{1,2}}', start_positions => '{0,1}', end_positions => '{1}'$$, 'start_positions has the shape \[2\], but must have \[1\]'),
    ('roformer-masked-lm', $$input_ids => '{{1,2}}', labels => '{{1,50}}'$$, 'label 50 in labels is neither a whole number between 0 and 49'),
    -- NULL elements
    ('bert-model', $$input_ids => '{{1,NULL}}'$$, 'input_ids must not contain NULL elements'),
    ('bert-model', $$input_ids => '{{1,2}}', attention_mask => '{{NULL,1}}'$$, 'attention_mask must not contain NULL elements'),
    ('bert-sequence', $$input_ids => '{{1,2}}', labels => '{NULL}'$$, 'labels must not contain NULL elements'),
    ('bert-model', $$inputs_embeds => array_fill(NULL::real, '{1,1,20}')$$, 'inputs_embeds must not contain NULL elements'),
    ('bert-model', $$inputs_embeds => array_fill('NaN'::real, '{1,1,20}')$$, 'inputs_embeds has the value -?nan, which is not finite'),
    -- more positions than the model has
    ('bert-model', $$input_ids => array_fill(1, '{1,25}')$$, 'sequence 0 has 25 tokens, but at most 24 are allowed'),
    ('bert-model', $$input_ids => array_fill(1, '{2,1000}')$$, 'sequence 0 has 1000 tokens, but at most 24 are allowed'),
    ('opt-causal-lm', $$input_ids => array_fill(5, '{1,21}')$$, 'sequence 0 has 21 tokens, but at most 20 are allowed'),
    ('opt-causal-lm', $$input_ids => array_fill(5, '{1,20}'), past => (infer.forward('opt-causal-lm', '{{3}}'::int[], use_cache => true)).past$$,
     'sequence 0 has 21 tokens, but at most 20 are allowed')
) AS v(model, arguments, wanted);

-- ---- a past that is not this model's, or not this call's ----

CREATE TABLE pg_temp.pasts AS SELECT name, (infer.forward(name::infer.model, '{{1,2}}'::int[], use_cache => true)).past
    FROM unnest('{bert-decoder, other-weights, opt-causal-lm, mega-causal-lm}'::text[]) AS name;
SELECT throws_matching(pg_catalog.format('SELECT infer.forward(%L, %L::int[], past => %L::bytea)', model, ids, changed), wanted, title || ' [CM-15]')
FROM (SELECT 'bert-decoder' AS model, '{{3}}' AS ids, past AS changed, 'comes from another model: it names [0-9a-f]{16}, this model is [0-9a-f]{16}' AS wanted,
             'refused: the past of ' || name AS title FROM pg_temp.pasts WHERE name <> 'bert-decoder'
      UNION ALL
      SELECT name, v.ids, v.changed, v.wanted, v.title || ': ' || name
      FROM pg_temp.pasts, LATERAL (VALUES
          ('{{3}}', set_byte(past, length(past) - 1, 255 - get_byte(past, length(past) - 1)), 'past was changed: its checksum is', 'refused: a changed past'),
          ('{{3}}', set_byte(past, 20, 255 - get_byte(past, 20)), 'past was changed: its checksum is', 'refused: a past with a changed head'),
          ('{{3}}', substr(past, 1, length(past) - 4), 'past was changed: its checksum is', 'refused: a past without its end'),
          ('{{3}}', past || '\x00000000', 'past was changed: its checksum is', 'refused: a past with more behind it'),
          ('{{3}}', '\x'::bytea, 'past is not what infer.forward returned: it has 0 bytes', 'refused: an empty past'),
          ('{{3}}', '\x000102'::bytea, 'past is not what infer.forward returned: it has 3 bytes', 'refused: three bytes'),
          ('{{3}}', convert_to(repeat('no past at all ', 20), 'UTF8'), 'past is not what infer.forward returned: it has 300 bytes', 'refused: some text'),
          ('{{3},{4}}', past, 'past has a batch of 1, but input_ids or inputs_embeds of 2', 'refused: another batch')
      ) AS v(ids, changed, wanted, title) WHERE name <> 'other-weights') AS bad;

SELECT is(pg_temp.call('bert-model', $$input_ids => '{{1,2}}'$$) IS NOT NULL, true, 'and a good call behind all of these');

SELECT * FROM finish();
ROLLBACK;
