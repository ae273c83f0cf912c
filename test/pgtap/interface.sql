-- Names, signatures, volatility, comments and privileges of what the extension has.
\set ON_ERROR_STOP on
BEGIN;
SELECT no_plan();

-- ---- signatures, as users call them ----

CREATE FUNCTION pg_temp.is_signature(name text, arguments text, result text, volatility text, parallel text, strict boolean)
RETURNS text LANGUAGE sql AS $$
    SELECT is(
        (SELECT format('%s -> %s, %s %s%s', pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), provolatile,
                       proparallel, CASE WHEN proisstrict THEN ' strict' ELSE '' END)
         FROM pg_proc p WHERE pronamespace = 'infer'::regnamespace AND proname = name),
        format('%s -> %s, %s %s%s', arguments, result, volatility, parallel, CASE WHEN strict THEN ' strict' ELSE '' END),
        'infer.' || name)
$$;

SELECT pg_temp.is_signature(name, arguments, result, volatility, parallel, strict) FROM (VALUES
    ('create_model', 'name text, path text, options jsonb DEFAULT ''{}''::jsonb', 'infer.model', 'v', 'u', false),
    ('update_model', 'name text, path text, options jsonb DEFAULT ''{}''::jsonb', 'infer.model', 'v', 'u', false),
    ('drop_model', 'name text', 'void', 'v', 'u', true),
    ('rename_model', 'name text, new_name text', 'void', 'v', 'u', true),
    ('prune_model', 'name text', 'void', 'v', 'u', true),
    ('load_model', 'model infer.model', 'void', 'v', 'u', true),
    ('unload_model', 'model infer.model', 'void', 'v', 'u', true),
    ('verify_model', 'model infer.model', 'TABLE("check" text, ok boolean, detail text)', 'v', 's', false),
    ('config', 'model infer.model', 'jsonb', 'i', 's', true),
    ('labels', 'model infer.model', 'text[]', 'i', 's', true),
    ('model_card', 'model infer.model', 'text', 'i', 's', true),
    ('tokenize', 'model infer.model, input text, pair text DEFAULT NULL::text, add_special_tokens boolean DEFAULT true',
     'TABLE(ord integer, id integer, token text, type_id integer, sequence integer, pos integer, len integer, special boolean)',
     'i', 's', false),
    ('encode', 'model infer.model, input text, pair text DEFAULT NULL::text, add_special_tokens boolean DEFAULT true, '
     'truncate text DEFAULT NULL::text, max_length integer DEFAULT NULL::integer', 'infer.encoding', 'i', 's', false),
    ('decode', 'model infer.model, ids integer[], skip_special_tokens boolean DEFAULT false', 'text', 'i', 's', false),
    ('count_tokens', 'model infer.model, input text, pair text DEFAULT NULL::text, add_special_tokens boolean DEFAULT true',
     'integer', 'i', 's', false),
    ('chunks', 'model infer.model, input text, max_tokens integer DEFAULT NULL::integer, overlap integer DEFAULT 0',
     'TABLE(ord integer, chunk text, pos integer, len integer, tokens integer)', 'i', 's', false),
    ('vocab', 'model infer.model', 'TABLE(id integer, token text, special boolean)', 'i', 's', false),
    ('embed', 'model infer.model, input text, prompt text DEFAULT NULL::text, dimensions integer DEFAULT NULL::integer, '
     'pooling text DEFAULT NULL::text, "normalize" boolean DEFAULT NULL::boolean, truncate text DEFAULT NULL::text',
     'real[]', 'i', 's', false),
    ('embed_many', 'model infer.model, inputs text[], prompt text DEFAULT NULL::text, dimensions integer DEFAULT NULL::integer, '
     'pooling text DEFAULT NULL::text, "normalize" boolean DEFAULT NULL::boolean, truncate text DEFAULT NULL::text',
     'TABLE(ord bigint, embedding real[])', 'i', 's', false),
    ('similarity', 'model infer.model, a text, b text', 'real', 'i', 's', true),
    ('classify', 'model infer.model, input text, pair text DEFAULT NULL::text, truncate text DEFAULT NULL::text', 'text', 'i', 's', false),
    ('classify_scores', 'model infer.model, input text, pair text DEFAULT NULL::text, top_k integer DEFAULT NULL::integer, '
     'function_to_apply text DEFAULT NULL::text, truncate text DEFAULT NULL::text', 'TABLE(label text, score real)', 'i', 's', false),
    ('classify_labels', 'model infer.model, input text, threshold real DEFAULT 0.5, pair text DEFAULT NULL::text, '
     'truncate text DEFAULT NULL::text', 'text[]', 'i', 's', false),
    ('classify_many', 'model infer.model, inputs text[], pairs text[] DEFAULT NULL::text[], truncate text DEFAULT NULL::text, '
     'function_to_apply text DEFAULT NULL::text', 'TABLE(ord bigint, label text, score real)', 'i', 's', false),
    ('zero_shot', 'model infer.model, input text, labels text[], hypothesis text DEFAULT ''This example is {}.''::text, '
     'multi_label boolean DEFAULT false, truncate text DEFAULT NULL::text', 'TABLE(label text, score real)', 'i', 's', false),
    ('score', 'model infer.model, input text, pair text DEFAULT NULL::text, truncate text DEFAULT NULL::text, '
     'function_to_apply text DEFAULT NULL::text', 'real', 'i', 's', false),
    ('rerank', 'model infer.model, query text, documents text[], top_k integer DEFAULT NULL::integer, truncate text DEFAULT NULL::text',
     'TABLE(ord bigint, document text, score real)', 'i', 's', false),
    ('choose', 'model infer.model, prompt text, choices text[], truncate text DEFAULT NULL::text', 'integer', 'i', 's', false),
    ('choose_scores', 'model infer.model, prompt text, choices text[], truncate text DEFAULT NULL::text',
     'TABLE(ord integer, choice text, score real)', 'i', 's', false),
    ('log_likelihood', 'model infer.model, input text, context text DEFAULT NULL::text', 'double precision', 'i', 's', false),
    ('perplexity', 'model infer.model, input text', 'double precision', 'i', 's', true),
    ('token_logprobs', 'model infer.model, input text',
     'TABLE(ord integer, token text, token_id integer, logprob real)', 'i', 's', true),
    ('cosine_similarity', 'a real[], b real[]', 'real', 'i', 's', true),
    ('inner_product', 'a real[], b real[]', 'real', 'i', 's', true),
    ('l2_distance', 'a real[], b real[]', 'real', 'i', 's', true)
) AS v(name, arguments, result, volatility, parallel, strict);

SELECT is(array_agg(attname || ' ' || format_type(atttypid, NULL) ORDER BY attnum)::text[],
          '{input_ids integer[],token_type_ids integer[],attention_mask integer[],special_tokens_mask integer[],pos integer[],'
          'len integer[],input_shape_ids integer[],input_pronunciation_ids integer[]}', 'infer.encoding')
FROM pg_attribute WHERE attrelid = 'infer.encoding'::regclass;
SELECT columns_are('infer', 'models', '{name,digest,family,architecture,precision,parameters,hidden_size,max_length,pooling,'
                   'normalize,truncate,size,resident,state,owner,description,path,previous}'::name[]);

-- ---- all of them ----

CREATE TEMP VIEW members AS
SELECT classid, objid, objsubid, pg_describe_object(classid, objid, objsubid) AS object
FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_infer');

SELECT is_empty($$
    SELECT object FROM members
    WHERE classid <> 'pg_opfamily'::regclass AND obj_description(objid, classid::regclass::name) IS NULL
      AND NOT (classid = 'pg_type'::regclass AND (SELECT typelem <> 0 OR typrelid <> 0 FROM pg_type t WHERE t.oid = objid))
      AND NOT (classid = 'pg_class'::regclass AND (SELECT relkind = 'c' FROM pg_class c WHERE c.oid = objid))
$$, 'everything has a comment');
SELECT is_empty($$
    SELECT attrelid::regclass, attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
    WHERE relnamespace = 'infer'::regnamespace AND attnum > 0 AND col_description(attrelid, attnum) IS NULL
$$, 'and so has every column');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p
    WHERE pronamespace = 'infer'::regnamespace AND pronargs > 0
      AND (proargnames IS NULL OR cardinality(proargnames) < pronargs OR '' = ANY (proargnames[1:pronargs]))
$$, 'every argument has a name');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'infer'::regnamespace
      AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
$$, 'every function belongs to the extension');
SELECT is_empty($$
    SELECT c.relname FROM pg_class c WHERE relnamespace = 'infer'::regnamespace AND relkind IN ('v', 'r')
      AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_class'::regclass AND objid = c.oid)
$$, 'every view belongs to the extension');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p
    WHERE pronamespace = 'infer'::regnamespace AND provolatile = 'i' AND proparallel <> 's'
$$, 'what is immutable is parallel safe');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p
    WHERE pronamespace = 'infer'::regnamespace AND prosecdef
$$, 'no function runs with the rights of its owner');
SELECT is_empty($$
    SELECT proname FROM pg_proc WHERE pronamespace = 'infer'::regnamespace AND proname IN ('embed', 'embed_many', 'tokenize')
    GROUP BY proname HAVING count(*) > 1
$$, 'no overloads');

-- ---- privileges ----

CREATE ROLE infer_nobody;
SELECT schema_privs_are('infer'::name, 'infer_nobody'::name, '{USAGE}'::name[]);
SELECT table_privs_are('infer'::name, 'models'::name, 'infer_nobody'::name, '{SELECT}'::name[]);
SELECT fdw_privs_are('pg_infer'::name, 'infer_nobody'::name, '{}'::name[]);
SELECT ok(NOT has_function_privilege('infer_nobody', 'infer.stat_reset()', 'EXECUTE'), 'stat_reset is not for everybody');

-- ---- the type ----

SELECT has_type('infer', 'model', 'infer.model');
SELECT is((SELECT provolatile FROM pg_proc WHERE oid = 'infer.model_in'::regproc), 's', 'input looks models up');
SELECT is((SELECT provolatile FROM pg_proc WHERE oid = 'infer.model_out'::regproc), 'i', 'output does not');
SELECT is((SELECT count(*)::int FROM pg_opclass WHERE opcintype = 'infer.model'::regtype AND opcdefault), 2, 'it sorts and hashes');
SELECT is_empty($$ SELECT * FROM pg_cast WHERE castsource = 'infer.model'::regtype OR casttarget = 'infer.model'::regtype $$,
                'no casts of its own');
SELECT throws_ok($$ SELECT infer.embed('a'::text, 'b') $$, '42883', NULL, 'no text is a model by itself');

SELECT * FROM finish();
ROLLBACK;
