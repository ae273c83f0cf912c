-- Texts to vectors.
\getenv srcdir PG_ABS_SRCDIR
\set tiny :srcdir '/test/models/tiny-bert'
\set reference `cat "$PG_ABS_SRCDIR/test/reference/tiny_bert.json"`
SELECT infer.create_model('tiny', :'tiny') IS NOT NULL AS created;

-- what sentence-transformers returns
CREATE TABLE reference AS
SELECT r ->> 'text' AS text, ARRAY(SELECT jsonb_array_elements_text(r -> 'embedding'))::real[] AS embedding,
       ARRAY(SELECT jsonb_array_elements_text(r -> 'cls'))::real[] AS cls,
       ARRAY(SELECT jsonb_array_elements_text(r -> 'pooler'))::real[] AS pooler
FROM jsonb_array_elements(:'reference') r;
SELECT count(*), bool_and(infer.l2_distance(infer.embed('tiny', text), embedding) < 1e-5) AS mean,
       bool_and(infer.l2_distance(infer.embed('tiny', text, pooling => 'cls', "normalize" => false), cls) < 1e-4) AS cls,
       bool_and(infer.l2_distance(infer.embed('tiny', text, pooling => 'pooler', "normalize" => false), pooler) < 1e-4) AS pooler
FROM reference;

-- arguments
SELECT cardinality(infer.embed('tiny', 'hello')) AS size, cardinality(infer.embed('tiny', '')) AS of_empty,
       array_ndims(infer.embed('tiny', 'hello')) AS dimensions, array_lower(infer.embed('tiny', 'hello'), 1) AS lower;
SELECT infer.embed('tiny', NULL) IS NULL AS null_input, infer.embed(NULL, 'x') IS NULL AS null_model;
SELECT infer.embed('tiny', 'hello', NULL, NULL, NULL, NULL, NULL) = infer.embed('tiny', 'hello') AS defaults;
SELECT abs(infer.inner_product(e, e) - 1) < 1e-6 AS normalized FROM infer.embed('tiny', 'the cat') e;
SELECT abs(infer.inner_product(e, e) - 1) < 1e-6 AS normalized FROM infer.embed('tiny', 'the cat', "normalize" => false) e;
SELECT infer.cosine_similarity(infer.embed('tiny', 'the cat', "normalize" => false), infer.embed('tiny', 'the cat')) > 0.999999 AS same;
SELECT cardinality(e) AS size, abs(infer.inner_product(e, e) - 1) < 1e-6 AS normalized,
       infer.cosine_similarity(e, w[1:8]) > 0.999999 AS cut
FROM infer.embed('tiny', 'the cat', dimensions => 8) e, infer.embed('tiny', 'the cat') w;
SELECT infer.embed('tiny', 'the cat', dimensions => 8, "normalize" => false)
       = (infer.embed('tiny', 'the cat', "normalize" => false))[1:8] AS cut;
SELECT p, infer.embed('tiny', 'the cat', pooling => p) = infer.embed('tiny', 'the cat') AS is_default
FROM unnest('{mean,cls,max,last,pooler}'::text[]) p;
SELECT infer.embed('tiny', 'a', dimensions => 0);
SELECT infer.embed('tiny', 'a', dimensions => 33);
SELECT infer.embed('tiny', 'a', pooling => 'median');
SELECT infer.embed('tiny', 'a', truncate => 'middle');

-- prompts: the name of one that the model has, else a text; before the input as it is
SELECT infer.update_model('tiny', :'tiny', '{"prompts": {"query": "find the "}}') IS NOT NULL AS updated;
SELECT infer.embed('tiny', 'cat', prompt => 'query') = infer.embed('tiny', 'find the cat') AS by_name,
       infer.embed('tiny', 'cat', prompt => 'the ') = infer.embed('tiny', 'the cat') AS by_text,
       infer.embed('tiny', '', prompt => 'query') = infer.embed('tiny', 'find the ') AS before_nothing,
       infer.embed('tiny', 'cat', prompt => '') = infer.embed('tiny', 'cat') AS empty;
SELECT infer.update_model('tiny', :'tiny', '{"prompts": null}') IS NOT NULL AS updated;

-- too long a text
SELECT infer.embed('tiny', repeat('the cat ', 30));
SELECT infer.embed('tiny', repeat('the cat ', 30), truncate => 'end') = infer.embed('tiny', repeat('the cat ', 23)) AS "end",
       infer.embed('tiny', 'dog ' || repeat('the cat ', 23), truncate => 'start')
       = infer.embed('tiny', repeat('the cat ', 23)) AS start;
SELECT infer.update_model('tiny', :'tiny', '{"truncate": "end", "max_length": 10}') IS NOT NULL AS updated;
SELECT infer.embed('tiny', repeat('the cat ', 30)) = infer.embed('tiny', repeat('the cat ', 4)) AS by_option;
SELECT infer.embed('tiny', repeat('the cat ', 30), truncate => 'error');
SELECT infer.update_model('tiny', :'tiny', '{"truncate": null, "max_length": null}') IS NOT NULL AS updated;
SELECT infer.prune_model('tiny');

-- embed_many
SELECT ord, embedding = infer.embed('tiny', inputs[ord]) AS same, embedding IS NULL AS is_null
FROM (SELECT ARRAY['the cat', NULL, '', 'the dog', NULL]) v(inputs), infer.embed_many('tiny', inputs) ORDER BY ord;
SELECT * FROM infer.embed_many('tiny', '{}');
SELECT * FROM infer.embed_many('tiny', NULL);
SELECT * FROM infer.embed_many(NULL, '{a}');
SELECT * FROM infer.embed_many('tiny', '{NULL,NULL}');
SELECT count(*), count(embedding), bool_and(cardinality(embedding) = 4) AS size, min(ord), max(ord)
FROM infer.embed_many('tiny', (SELECT array_agg('the cat ' || i) FROM generate_series(1, 1000) i), dimensions => 4);
SELECT count(*) FILTER (WHERE m.embedding IS DISTINCT FROM infer.embed('tiny', inputs[m.ord])) AS different
FROM (SELECT array_agg(CASE WHEN i % 7 > 0 THEN repeat('cat ', i % 40) || i END ORDER BY i) FROM generate_series(1, 300) i) v(inputs),
     infer.embed_many('tiny', inputs) m;
SELECT ord, embedding = infer.embed('tiny', 'the cat', 'a ', 4, 'cls', false, 'end') AS same
FROM infer.embed_many('tiny', '{the cat}', 'a ', 4, 'cls', false, 'end');
SELECT (infer.embed_many('tiny', ARRAY['the cat', 'the dog'])).ord;
SELECT (infer.embed_many('tiny', (SELECT array_agg('cat ' || i) FROM generate_series(1, 500) i))).ord LIMIT 2;
SELECT infer.embed_many('tiny', ARRAY['a', repeat('the cat ', 30)]);
SELECT infer.embed_many('tiny', ARRAY['a'], dimensions => 33);
SELECT count(*) FROM infer.embed_many('tiny', ARRAY[ARRAY['a', 'b'], ARRAY['c', 'd']]);
BEGIN;
DECLARE c CURSOR FOR SELECT (infer.embed_many('tiny', (SELECT array_agg('cat ' || i) FROM generate_series(1, 100) i))).ord;
FETCH 3 FROM c;
SELECT cardinality(infer.embed('tiny', 'meanwhile'));
MOVE 40 FROM c;
FETCH 1 FROM c;
ROLLBACK;

-- a row's vector depends on nothing but its text
CREATE TABLE texts AS SELECT i, repeat('the dog ', i % 20) || i AS t FROM generate_series(1, 200) i;
SELECT count(*) AS different FROM texts a, infer.embed_many('tiny', (SELECT array_agg(t ORDER BY i DESC) FROM texts)) m
WHERE m.ord = 201 - a.i AND m.embedding <> infer.embed('tiny', a.t);

-- similarity
SELECT infer.similarity('tiny', 'the cat', 'the cat') AS same,
       abs(infer.similarity('tiny', 'the cat', 'a dog')
           - infer.cosine_similarity(infer.embed('tiny', 'the cat'), infer.embed('tiny', 'a dog'))) < 1e-6 AS as_embed;
SELECT infer.similarity(NULL, 'a', 'b'), infer.similarity('tiny', NULL, 'b'), infer.similarity('tiny', 'a', NULL);
SELECT infer.similarity('tiny', 'a', repeat('the cat ', 30));

-- stored: generated columns
CREATE TABLE documents (id int PRIMARY KEY, body text, e real[] GENERATED ALWAYS AS (infer.embed('tiny', body)) STORED);
INSERT INTO documents VALUES (1, 'the cat'), (2, 'the red house'), (3, NULL);
SELECT id, e = infer.embed('tiny', body) AS same FROM documents ORDER BY id;
UPDATE documents SET body = 'reading a book' WHERE id = 1;
SELECT e = infer.embed('tiny', 'reading a book') AS same FROM documents WHERE id = 1;
SELECT id FROM documents ORDER BY infer.cosine_similarity(e, infer.embed('tiny', 'the red house')) DESC NULLS LAST LIMIT 1;
DROP TABLE documents, texts;

-- other precisions
SELECT infer.create_model('tiny8', :'tiny', '{"precision": "int8"}') IS NOT NULL AS created;
SELECT infer.create_model('tiny16', :'tiny', '{"precision": "bf16"}') IS NOT NULL AS created;
SELECT bool_and(infer.cosine_similarity(infer.embed('tiny8', text), embedding) > 0.99) AS int8,
       bool_and(infer.cosine_similarity(infer.embed('tiny16', text), embedding) > 0.999) AS bf16 FROM reference;
SELECT infer.drop_model('tiny8');
SELECT infer.drop_model('tiny16');
DROP TABLE reference;

-- from parallel workers too
CREATE TABLE many AS SELECT i, 'the cat ' || i AS t FROM generate_series(1, 2000) i;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(DISTINCT infer.embed('tiny', t)) FROM many WHERE i % 10 = 0;
SELECT count(*) FROM many WHERE i % 10 = 0 AND (infer.embed('tiny', t))[1] IS NOT NULL;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
DROP TABLE many;
SELECT infer.drop_model('tiny');
