-- How texts and token ids go on.  That the ids are Transformers' is test/pgtap/generation.sql's.
\getenv srcdir PG_ABS_SRCDIR
\set writer :srcdir '/test/reference/generation/opt-text'
\set tiny :srcdir '/test/models/tiny-bert'
\set rows :srcdir '/test/reference/pipelines/causal-opt'
\set pieces :srcdir '/test/reference/pipelines/causal-roformer'
\set roc :srcdir '/test/reference/pipelines/causal-roc-bert'
\set ids :srcdir '/test/reference/generation/opt'
SELECT infer.create_model('writer', :'writer') IS NOT NULL AS writer, infer.create_model('tiny', :'tiny') IS NOT NULL AS tiny,
       infer.create_model('ids', :'ids') IS NOT NULL AS ids;

-- NULL, the empty text, options that are NULL
SELECT infer.generate('writer', NULL) IS NULL AS prompt, infer.generate(NULL, 'x') IS NULL AS model,
       infer.generate_ids('writer', NULL) IS NULL AS ids, (SELECT count(*) FROM infer.generate_many('writer', NULL)) AS many,
       (SELECT count(*) FROM infer.generate_ids_many('writer', NULL)) AS ids_many,
       (SELECT count(*) FROM infer.generate_stream('writer', NULL)) AS stream;
SELECT infer.generate('writer', '', max_new_tokens => 4) = infer.generate('writer', '', 4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) AS same;
SELECT infer.generate('writer', '', add_special_tokens => false);

-- the same, however it is asked for
SELECT infer.generate('writer', 'Once upon a time', max_new_tokens => 9) = output AS many, output = string_agg AS stream,
       infer.generate_ids('writer', (infer.encode('writer', 'Once upon a time')).input_ids, max_new_tokens => 9) = ids AS ids
FROM infer.generate_many('writer', 'Once upon a time', max_new_tokens => 9),
     (SELECT string_agg(token, '' ORDER BY ord), array_agg(ord) AS ords, array_agg(token_id ORDER BY ord) AS new
      FROM infer.generate_stream('writer', 'Once upon a time', max_new_tokens => 9)) AS s,
     LATERAL (SELECT (infer.encode('writer', 'Once upon a time')).input_ids || new AS ids) AS w;
SELECT ord, score = sum AS sum_of_logprobs
FROM infer.generate_many('writer', 'Once upon a time', max_new_tokens => 9),
     (SELECT sum(logprob::float8)::real FROM infer.generate_stream('writer', 'Once upon a time', max_new_tokens => 9)) AS s;

-- drawing: the same seed gives the same, another one something else, alone or beside others
SELECT count(DISTINCT output) > 10 AS differ, bool_and(output = again) AS same
FROM (SELECT infer.generate('writer', 'Once', 6, temperature => 1, seed => i) AS output,
             infer.generate('writer', 'Once', 6, temperature => 1, seed => i) AS again
      FROM generate_series(1, 20) AS i) AS s;
SELECT bool_and(infer.generate_ids('ids', ARRAY[i, 7], 5, temperature => 1.5, top_k => 20, seed => i) = alone) AS same
FROM (SELECT i, infer.generate_ids('ids', ARRAY[i, 7], 5, temperature => 1.5, top_k => 20, seed => i) AS alone
      FROM generate_series(4, 30) AS i ORDER BY i DESC) AS s;
SELECT infer.generate_ids('ids', '{5,6}', 5, temperature => 1, top_k => 1) = infer.generate_ids('ids', '{5,6}', 5) AS greedy;
SELECT count(*), count(DISTINCT output_ids) > 3 AS differ, max(ord) FROM
    infer.generate_ids_many('ids', '{5,6}', 5, temperature => 1, num_return_sequences => 8);

-- the distribution of the first token drawn, against the model's own (OP-40)
WITH logits AS (
    SELECT o - 1 AS token, exp(l::float8) AS weight FROM infer.forward('ids', input_ids => '{{5,6}}') AS f,
         unnest(f.logits[1:1][2:2][:]) WITH ORDINALITY AS u(l, o)),
draws AS (
    SELECT (infer.generate_ids('ids', '{5,6}', 1, temperature => 1, seed => i))[3] AS token, count(*) AS n
    FROM generate_series(1, 4000) AS i GROUP BY 1),
cells AS (
    SELECT CASE WHEN weight / sum(weight) OVER () * 4000 < 5 THEN -1 ELSE token END AS cell,
           weight / sum(weight) OVER () * 4000 AS expected, coalesce(n, 0) AS n
    FROM logits LEFT JOIN draws USING (token)),
summed AS (SELECT cell, sum(expected) AS expected, sum(n) AS n FROM cells GROUP BY cell)
SELECT sum(n) AS draws, sum((n - expected) ^ 2 / expected) < count(*) - 1 + 6 * sqrt(2 * (count(*) - 1)) AS chi_square FROM summed;

-- beams
SELECT count(*), bool_and(score <= before IS NOT FALSE) AS best_first FROM (
    SELECT score, lag(score) OVER (ORDER BY ord) AS before
    FROM infer.generate_many('writer', 'Once upon a time', 9, num_beams => 4, num_return_sequences => 3)) AS s;

-- stop strings and bad words
SELECT infer.generate('writer', 'The weather is', 12, stop => ARRAY['been']) AS stopped, infer.generate('writer', 'The weather is', 12, stop => '{}')
       = infer.generate('writer', 'The weather is', 12) AS none;
SELECT infer.generate('writer', 'The weather is', 12) LIKE '%been%' AS without, infer.generate('writer', 'The weather is', 12, bad_words => '{been}') LIKE '%been%' AS "with";

-- constraints
SELECT infer.generate('writer', 'The weather is', 20, choices => '{sunny,very cold}') IN ('sunny', 'very cold') AS choice;
SELECT jsonb_typeof(infer.generate('writer', 'Say', 40, temperature => 1, seed => s,
                                   json_schema => '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}')::jsonb -> 'n') AS n
FROM generate_series(1, 3) AS s;
SELECT infer.generate('writer', 'x', 9, choices => '{a}', json_schema => '{"type": "null"}');
SELECT infer.generate('writer', 'x', 9, choices => '{a}', stop => '{b}');

CREATE TYPE pg_temp.mood AS ENUM ('good', 'rather bad');
CREATE TYPE pg_temp.place AS (x integer, mood pg_temp.mood, tags text[]);
SELECT infer.generate_enum('writer', 'Today', NULL::pg_temp.mood, 12) IN ('good', 'rather bad') AS label,
       pg_typeof(infer.generate_enum('writer', 'Today', NULL::pg_temp.mood, 12, temperature => 1, seed => 5))::text ~ 'mood' AS type,
       infer.generate_enum('writer', NULL, NULL::pg_temp.mood) IS NULL AS no_prompt;
SELECT (p).x IS NOT NULL AS x, (p).mood IS NOT NULL AS mood FROM infer.generate_row('writer', 'Where?', NULL::pg_temp.place, 60, temperature => 1) AS p;
SELECT infer.generate_row('writer', 'Where?', NULL::integer);
SELECT infer.generate_enum('writer', 'Today', NULL::pg_temp.mood, 1);

-- rows of all the types that they may have
CREATE TYPE pg_temp.face AS ENUM (':)', 'a "quote"', 'back\slash', 'é — 日本');
CREATE DOMAIN pg_temp.letters AS varchar(3);
CREATE TYPE pg_temp.numbers AS (b boolean, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n numeric);
CREATE TYPE pg_temp.texts AS (t text, v varchar(4), c char(2), name name, u uuid);
CREATE TYPE pg_temp.times AS (d date, t time, tz timetz, ts timestamp, tstz timestamptz);
CREATE TYPE pg_temp.part AS (face pg_temp.face, "a ""name""" boolean, letters pg_temp.letters[]);
CREATE TYPE pg_temp.whole AS (part pg_temp.part, parts pg_temp.part[], faces pg_temp.face[], j json, jb jsonb);
CREATE FUNCTION pg_temp.seeds() RETURNS SETOF integer LANGUAGE sql AS 'SELECT generate_series(1, 20)';
SELECT infer.create_model('rows', :'rows') IS NOT NULL AS rows;
SELECT count(r), count(DISTINCT r) > 2 AS differ, bool_and(r.b IS NOT NULL AND r.i2 IS NOT NULL AND r.i4 IS NOT NULL AND r.i8 IS NOT NULL
       AND r.f4 IS NOT NULL AND r.f8 IS NOT NULL AND r.n IS NOT NULL) AS all
FROM pg_temp.seeds() AS s, infer.generate_row('rows', 'x', NULL::pg_temp.numbers, 150, temperature => 1, seed => s) AS r;
SELECT count(r), count(DISTINCT r) > 2 AS differ, bool_and(r.t IS NOT NULL AND length(r.v) <= 4 AND length(r.c) <= 2 AND r.name IS NOT NULL AND r.u IS NOT NULL) AS all
FROM pg_temp.seeds() AS s, infer.generate_row('rows', 'x', NULL::pg_temp.texts, 150, temperature => 1, seed => s) AS r;
SELECT count(r), count(DISTINCT r) > 2 AS differ, bool_and(isfinite(r.d) AND r.t IS NOT NULL AND r.tz IS NOT NULL AND isfinite(r.ts) AND isfinite(r.tstz)) AS all
FROM pg_temp.seeds() AS s, infer.generate_row('rows', 'x', NULL::pg_temp.times, 180, temperature => 1, seed => s) AS r;
SELECT count(r), bool_and((r.part).face IS NOT NULL AND (r.part).letters IS NOT NULL AND r.parts IS NOT NULL AND r.faces IS NOT NULL AND r.j IS NOT NULL AND r.jb IS NOT NULL) AS all
FROM pg_temp.seeds() AS s, infer.generate_row('rows', 'x', NULL::pg_temp.whole, 185, temperature => 1, seed => s) AS r;
SELECT count(*), count(DISTINCT f) > 1 AS differ FROM pg_temp.seeds() AS s, infer.generate_enum('rows', 'x', NULL::pg_temp.face, 30, temperature => 40, seed => s) AS f;
-- the distribution of what a constraint leaves, against the model's own over those tokens
WITH allowed AS (
    SELECT id FROM infer.vocab('rows') WHERE token IN ('a', 'b', 'e', 't', 'Ġ', 'Ġa', 'Ġb', 'Ġe', 'Ġt')),
logits AS (
    SELECT o - 1 AS token, exp(l::float8 / 20) AS weight FROM infer.forward('rows', input_ids => '{{2,50,60}}') AS f,
         unnest(f.logits[1:1][3:3][:]) WITH ORDINALITY AS u(l, o)
    WHERE o - 1 IN (SELECT id FROM allowed)),
draws AS (
    SELECT (infer.generate_ids('rows', '{2,50,60}', 3, temperature => 20, seed => i, choices => '{a,b,e,t}'))[4] AS token, count(*) AS n
    FROM generate_series(1, 2000) AS i GROUP BY 1),
cells AS (
    SELECT token, weight / sum(weight) OVER () * 2000 AS expected, coalesce(n, 0) AS n FROM logits FULL JOIN draws USING (token))
SELECT count(*) > 6 AS cells, min(expected) >= 5 AS enough, sum(n) AS draws, sum((n - expected) ^ 2 / expected) < count(*) - 1 + 6 * sqrt(2 * (count(*) - 1)) AS chi_square
FROM cells;
CREATE TYPE pg_temp.exact AS (n numeric(5, 2));
CREATE TYPE pg_temp.shape AS (p point);
CREATE TYPE pg_temp.nothing AS ENUM ();
SELECT infer.generate_row('rows', 'x', NULL::pg_temp.exact);
SELECT infer.generate_row('rows', 'x', NULL::pg_temp.shape);
SELECT infer.generate_enum('rows', 'x', NULL::pg_temp.nothing);
SELECT infer.generate_enum('rows', 'x', NULL::integer);

-- choices where tokens have no bytes of their own: they are kept to by their tokens
SELECT infer.create_model('pieces', :'pieces') IS NOT NULL AS pieces, infer.create_model('roc', :'roc') IS NOT NULL AS roc;
SELECT m, count(*) FILTER (WHERE output = ANY (choices)) AS kept, count(DISTINCT output) AS differ
FROM (SELECT m, choices, infer.generate(m::infer.model, 'the weather', 9, temperature => 40, seed => s, choices => choices) AS output
      FROM unnest('{pieces,roc}'::text[]) AS m, generate_series(1, 40) AS s, (VALUES ('{the Man,"the Man, and",a woman}'::text[])) AS v (choices)) AS g
GROUP BY m ORDER BY m;
SELECT infer.generate('roc', 'the weather', 9, num_beams => 3, choices => '{the man,a woman}') IN ('the man', 'a woman') AS beams,
       (SELECT string_agg(token, '|' ORDER BY ord) FROM infer.generate_stream('pieces', 'the weather', 9, choices => '{a woman}')) AS stream;
CREATE TYPE pg_temp.who AS ENUM ('the man', 'a woman');
SELECT infer.generate_enum('pieces', 'x', NULL::pg_temp.who, 9) IS NOT NULL AS who;
SELECT infer.generate('pieces', 'x', 9, choices => '{the man,the man}') AS twice;
SELECT infer.generate('pieces', 'x', 9, choices => '{a woman,☃☃}');
SELECT infer.generate('pieces', 'x', 9, choices => '{the man,The Man}');
SELECT infer.generate('pieces', 'x', 1, choices => '{the man}');
SELECT infer.generate('pieces', 'x', 9, json_schema => 'true');

-- places and patterns in messages, long or odd
SELECT infer.generate('rows', 'x', 9, json_schema => '{"properties": {"a/b~": {"not": {}}}}');
SELECT infer.generate('rows', 'x', 9, json_schema => format('{"properties": {"%sé": {"not": {}}}}', repeat('a', 59))::jsonb);
SELECT infer.generate('rows', 'x', 9, json_schema => format('{"pattern": "%sé(?=a)"}', repeat('a', 99))::jsonb);
SELECT infer.drop_model('pieces'), infer.drop_model('roc'), infer.drop_model('rows');

-- streams: row after row, until nobody wants more
SELECT (infer.generate_stream('writer', 'Once', 50)).ord LIMIT 3;
BEGIN;
DECLARE stream CURSOR FOR SELECT ord, logprob < 0 AS logprob FROM (SELECT (infer.generate_stream('writer', 'Once', 50)).*) AS s;
FETCH 2 FROM stream;
SELECT infer.generate('writer', 'Once', 2) IS NOT NULL AS meanwhile;
FETCH 1 FROM stream;
CLOSE stream;
COMMIT;
-- the engine sees between two tokens that a request is given up
DO $$ BEGIN
    FOR i IN 1 .. 1000 LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM infer.stat_requests WHERE pid = pg_backend_pid());
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT count(*) AS waiting FROM infer.stat_requests WHERE pid = pg_backend_pid();
SELECT s.ord FROM generate_series(1, 2) AS g, LATERAL (SELECT * FROM infer.generate_stream('writer', 'Once', g)) AS s;
SELECT infer.generate_stream('writer', 'x', 9, num_beams => 2);

-- limits
SELECT infer.generate('writer', repeat('word ', 100));
SELECT infer.generate('writer', 'x', max_new_tokens => 65);
SELECT infer.generate('writer', repeat('word ', 100), 5, truncate => 'start') IS NOT NULL AS cut,
       cardinality(infer.generate_ids('ids', array_fill(7, '{31}'), 10)) AS whole;
SELECT infer.generate_ids('ids', array_fill(7, '{32}'), 10);

-- arguments
SELECT infer.generate('writer', 'x', max_new_tokens => 0);
SELECT infer.generate('writer', 'x', max_new_tokens => -1);
SELECT infer.generate('writer', 'x', 9, min_new_tokens => 10);
SELECT infer.generate('writer', 'x', 9, temperature => -1);
SELECT infer.generate('writer', 'x', 9, temperature => 'NaN');
SELECT infer.generate('writer', 'x', 9, top_k => 5);
SELECT infer.generate('writer', 'x', 9, temperature => 1, top_p => 0);
SELECT infer.generate('writer', 'x', 9, temperature => 1, typical_p => 2);
SELECT infer.generate('writer', 'x', 9, repetition_penalty => 0);
SELECT infer.generate('writer', 'x', 9, no_repeat_ngram_size => -1);
SELECT infer.generate('writer', 'x', 9, num_beams => 0);
SELECT infer.generate('writer', 'x', 9, length_penalty => 2);
SELECT infer.generate('writer', 'x', 9, early_stopping => 'never');
SELECT infer.generate('writer', 'x', 9, num_beams => 2, early_stopping => 'soon');
SELECT * FROM infer.generate_many('writer', 'x', 9, num_return_sequences => 2);
SELECT * FROM infer.generate_many('writer', 'x', 9, num_beams => 2, num_return_sequences => 3);
SELECT infer.generate('writer', 'x', 9, stop => '{a,""}');
SELECT infer.generate('writer', 'x', 9, stop => '{NULL}');
SELECT infer.generate('writer', 'x', 9, bad_words => '{""}');
SELECT infer.generate('writer', 'x', 9, bad_words => '{NULL}');
SELECT infer.generate('writer', 'x', 9, truncate => 'middle');
SELECT infer.generate_ids('ids', '{}', 9);
SELECT infer.generate_ids('ids', '{{1,2}}', 9);
SELECT infer.generate_ids('ids', '{1,NULL}', 9);
SELECT infer.generate_ids('ids', '{1,48}', 9);
SELECT infer.generate_ids('ids', '{-1}', 9);
SELECT infer.generate_ids('ids', '{5}', 9, bad_words_ids => '[[1], 5]');
SELECT infer.generate_ids('ids', '{5}', 9, bad_words_ids => '{"a": 1}');
SELECT infer.generate_ids('ids', '{5}', 9, bad_words_ids => '[[48]]');
SELECT infer.generate_ids('ids', '{5}', 9, bad_words_ids => '[[]]');
SELECT infer.generate_ids('ids', '{5}', 9, suppress_tokens => '{48}');
SELECT infer.generate_ids('ids', '{5}', 9, suppress_tokens => '{1,NULL}');
SELECT infer.generate_ids('ids', '{5}', 9, eos_token_id => '{48}');
SELECT infer.generate_ids('ids', '{5}', 9, forced_eos_token_id => 48);
SELECT infer.generate_ids('ids', '{5}', 9, suppress_tokens => ARRAY(SELECT generate_series(0, 47)));
SELECT infer.generate_ids('ids', '{5}', 9, input_shape_ids => '{1,2}');
SELECT infer.generate_ids('ids', '{5}', 9, input_shape_ids => '{1}');
SELECT infer.generate_ids('ids', '{5}', 9, stop => '{a}');

-- what the planner is told: every new token costs, of every beam; a row for each of a stream's
CREATE FUNCTION pg_temp.planned(query text, what text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> what;
END $$;
SELECT cost[1] < cost[2] AS tokens, cost[2] < cost[3] AS beams, cost[3] < cost[4] AS ids
FROM (SELECT array_agg(pg_temp.planned(format('SELECT infer.%s) FROM (VALUES (%s), (NULL)) AS v (prompt)', call, prompt), 'Total Cost') ORDER BY i) AS cost
      FROM (VALUES (1, 'generate(''writer'', prompt, 10', $$'x'$$), (2, 'generate(''writer'', prompt, 20', $$'x'$$),
                   (3, 'generate(''writer'', prompt, 20, num_beams => 3', $$'x'$$),
                   (4, 'generate_ids(''writer'', prompt, 1000', $$'{5}'::int[]$$)) AS c (i, call, prompt)) AS costs;
SELECT pg_temp.planned($$SELECT * FROM infer.generate_stream('writer', 'x', 7)$$, 'Plan Rows') AS stream,
       pg_temp.planned($$SELECT * FROM infer.generate_stream('writer', 'x', NULL)$$, 'Plan Rows') AS of_default,
       pg_temp.planned($$SELECT * FROM infer.generate_many('writer', 'x', num_beams => 3, num_return_sequences => 2)$$, 'Plan Rows') AS many,
       pg_temp.planned($$SELECT * FROM infer.generate_ids_many('writer', '{5}', temperature => 1, num_return_sequences => 5)$$, 'Plan Rows') AS ids;

-- a text can't have the byte 0, for which there is a token
SELECT infer.decode('writer', ARRAY[id]) = U&'\FFFD' AS replaced FROM infer.vocab('writer') WHERE token = U&'\0100';

-- models without a tokenizer, without a causal head
SELECT infer.generate('ids', 'x');
SELECT infer.generate('tiny', 'x');
SELECT infer.generate_ids('tiny', '{5}');
-- an end of text that config.json names and the vocabulary does not have
SELECT infer.create_model('endless', :'ids', '{"config": {"eos_token_id": 1000}}') IS NOT NULL AS endless;
SELECT infer.generate_ids('endless', '{5}', 9) = infer.generate_ids('ids', '{5}', 9, eos_token_id => '{}') AS same;
SELECT infer.generate_ids('endless', '{5}', 9, eos_token_id => '{1000}');
SELECT infer.drop_model('endless');

SELECT infer.drop_model('writer'), infer.drop_model('tiny'), infer.drop_model('ids');
