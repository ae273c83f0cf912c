-- The results of functions over texts as ordinary rows.  tables.sql has them in triggers, indexes and the like.
\set ON_ERROR_STOP on
\set fixtures `pwd` '/test/reference/pipelines/'
\set sentiment :fixtures 'classify-bert'
\set ranker :fixtures 'score-bert'
BEGIN;
SELECT no_plan();
SET search_path = public;
SELECT ok(infer.create_model('tap_sentiment', :'sentiment') IS NOT NULL AND infer.create_model('tap_ranker', :'ranker') IS NOT NULL, 'models');
CREATE TABLE tap_texts (id int PRIMARY KEY, t text);
INSERT INTO tap_texts VALUES (1, 'Hello, my dog is cute'), (2, 'Director tried too much.'), (3, NULL), (4, ''),
    (5, 'This movie is disgustingly good!');
CREATE TABLE tap_labels AS SELECT id, infer.classify('tap_sentiment', t) AS label FROM tap_texts;
SELECT cmp_ok((SELECT count(DISTINCT label) FROM tap_labels), '>', 1::bigint, 'texts have different labels');

-- ---- results are rows ----

CREATE VIEW tap_scores AS
SELECT id, s.* FROM tap_texts CROSS JOIN LATERAL infer.classify_scores('tap_sentiment', t) s;
SELECT results_eq('SELECT id, label FROM tap_scores s WHERE score = (SELECT max(score) FROM tap_scores m WHERE m.id = s.id) ORDER BY id',
                  'SELECT * FROM tap_labels WHERE label IS NOT NULL ORDER BY id', 'a view of scores, and classify');
CREATE TABLE tap_copies (LIKE tap_labels);
INSERT INTO tap_copies SELECT id, (SELECT label FROM infer.classify_scores('tap_sentiment', t) LIMIT 1) FROM tap_texts;
SELECT bag_eq('SELECT * FROM tap_copies', 'SELECT * FROM tap_labels', 'INSERT ... SELECT');
SELECT results_eq($$ SELECT r.ord, t.id FROM (SELECT array_agg(t ORDER BY id) AS documents FROM tap_texts WHERE t <> '') d,
                     infer.rerank('tap_ranker', 'my dog', documents) r JOIN tap_texts t ON t.t = r.document ORDER BY r.ord $$,
                  'VALUES (1::bigint, 1), (2, 2), (3, 5)', 'documents join back');
SELECT results_eq($$ SELECT (infer.classify_scores('tap_sentiment', t)).label FROM tap_texts WHERE id = 1 LIMIT 1 $$,
                  'SELECT label FROM tap_labels WHERE id = 1', 'in the target list');
SELECT results_eq($$ SELECT (s).label FROM (SELECT s FROM tap_texts, infer.classify_scores('tap_sentiment', t, top_k => 1) s WHERE id = 2) v $$,
                  'SELECT label FROM tap_labels WHERE id = 2', 'as a whole row');
SELECT results_eq($$ SELECT label, count(*) FROM (SELECT infer.classify('tap_sentiment', t) AS label FROM tap_texts) v GROUP BY label ORDER BY label $$,
                  'SELECT label, count(*) FROM tap_labels GROUP BY label ORDER BY label', 'grouped');
DECLARE tap_cursor SCROLL CURSOR FOR SELECT label FROM infer.classify_scores('tap_sentiment', 'x');
FETCH FIRST FROM tap_cursor \gset first_
FETCH LAST FROM tap_cursor \gset last_
MOVE ABSOLUTE 0 FROM tap_cursor;
FETCH NEXT FROM tap_cursor \gset again_
SELECT ok(:'first_label' = :'again_label' AND :'first_label' <> :'last_label', 'a cursor, back and forth');
CLOSE tap_cursor;

SELECT * FROM finish();
ROLLBACK;
