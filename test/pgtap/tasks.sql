-- Functions over texts inside the objects of a database: triggers, materialized views, generated columns, indexes,
-- constraints, policies; their results as ordinary rows.
\set ON_ERROR_STOP on
\set fixtures `pwd` '/test/reference/pipelines/'
\set sentiment :fixtures 'classify-bert'
\set ranker :fixtures 'score-bert'
\set tiny `pwd` '/test/models/tiny-bert'
BEGIN;
SELECT no_plan();
SET search_path = public;
SELECT ok(infer.create_model('tap_sentiment', :'sentiment') IS NOT NULL AND infer.create_model('tap_ranker', :'ranker') IS NOT NULL
          AND infer.create_model('tap_tiny', :'tiny') IS NOT NULL, 'models');
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

-- ---- triggers ----

CREATE TABLE tap_rows (id int, t text, label text);
CREATE FUNCTION tap_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.label := infer.classify('tap_sentiment', NEW.t);
    RETURN NEW;
END $$;
CREATE TRIGGER tap_row BEFORE INSERT OR UPDATE OF t ON tap_rows FOR EACH ROW EXECUTE FUNCTION tap_row();
INSERT INTO tap_rows SELECT * FROM tap_texts;
SELECT bag_eq('SELECT id, label FROM tap_rows', 'SELECT * FROM tap_labels', 'a trigger for each row');
UPDATE tap_rows SET t = 'Director tried too much.';
SELECT results_eq('SELECT DISTINCT label FROM tap_rows', 'SELECT label FROM tap_labels WHERE id = 2', 'on update, too');

CREATE TABLE tap_statements (id int PRIMARY KEY, t text, label text);
CREATE FUNCTION tap_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tap_statements s SET label = c.label
    FROM (SELECT array_agg(id ORDER BY id) AS ids, array_agg(t ORDER BY id) AS texts FROM inserted) i,
         infer.classify_many('tap_sentiment', texts) c
    WHERE s.id = ids[c.ord];
    RETURN NULL;
END $$;
CREATE TRIGGER tap_statement AFTER INSERT ON tap_statements REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION tap_statement();
INSERT INTO tap_statements SELECT * FROM tap_texts;
SELECT bag_eq('SELECT id, label FROM tap_statements', 'SELECT * FROM tap_labels', 'a trigger for the statement');
SELECT lives_ok('INSERT INTO tap_statements SELECT FROM tap_texts WHERE false', 'which may insert nothing');

-- ---- what holds results ----

CREATE TABLE tap_generated (
    id int PRIMARY KEY, t text,
    label text GENERATED ALWAYS AS (infer.classify('tap_sentiment', t)) STORED,
    score real GENERATED ALWAYS AS (infer.score('tap_ranker', 'my dog', t)) STORED,
    CONSTRAINT tap_not_this CHECK (infer.classify('tap_sentiment', t) <> (infer.labels('tap_sentiment'))[4] OR t = ''));
INSERT INTO tap_generated SELECT id, t FROM tap_texts t JOIN tap_labels l USING (id)
    WHERE l.label IS DISTINCT FROM (infer.labels('tap_sentiment'))[4] OR t = '';
SELECT is_empty('SELECT FROM tap_generated g JOIN tap_labels l USING (id) WHERE g.label IS DISTINCT FROM l.label', 'a generated column');
SELECT is_empty($$ SELECT FROM tap_generated WHERE score IS DISTINCT FROM infer.score('tap_ranker', 'my dog', t) $$, 'and one of a pair');
CREATE TEMP TABLE tap_refused AS
SELECT t FROM (SELECT 'word ' || i AS t FROM generate_series(1, 200) i) v
WHERE infer.classify('tap_sentiment', t) = (infer.labels('tap_sentiment'))[4] LIMIT 1;
SELECT throws_ok(format('INSERT INTO tap_generated VALUES (100, %L)', t), '23514', NULL, 'a check constraint') FROM tap_refused;

CREATE INDEX tap_by_label ON tap_texts (infer.classify('tap_sentiment', t));
SET LOCAL enable_seqscan = off;
SELECT results_eq($$ SELECT id FROM tap_texts WHERE infer.classify('tap_sentiment', t) = infer.classify('tap_sentiment', 'Hello, my dog is cute') ORDER BY id $$,
                  'SELECT id FROM tap_labels WHERE label = (SELECT label FROM tap_labels WHERE id = 1) ORDER BY id', 'an expression index');
RESET enable_seqscan;

CREATE MATERIALIZED VIEW tap_embeddings AS SELECT id, infer.embed('tap_tiny', t) AS e FROM tap_texts;
CREATE UNIQUE INDEX ON tap_embeddings (id);
UPDATE tap_texts SET t = 'the cat' WHERE id = 3;
REFRESH MATERIALIZED VIEW CONCURRENTLY tap_embeddings;
SELECT results_eq('SELECT e FROM tap_embeddings WHERE id = 3', $$ SELECT infer.embed('tap_tiny', 'the cat') $$,
                  'REFRESH MATERIALIZED VIEW CONCURRENTLY');

-- ---- policies ----

CREATE ROLE tap_reader;
GRANT SELECT, INSERT ON tap_texts TO tap_reader;
GRANT USAGE ON FOREIGN SERVER tap_sentiment TO tap_reader;
ALTER TABLE tap_texts ENABLE ROW LEVEL SECURITY;
CREATE POLICY tap_policy ON tap_texts TO tap_reader
    USING (infer.classify('tap_sentiment', t) = infer.classify('tap_sentiment', 'Hello, my dog is cute'));
SET LOCAL ROLE tap_reader;
SELECT count(*) AS seen FROM tap_texts \gset
SELECT count(*) AS foreign FROM tap_texts WHERE infer.classify('tap_sentiment', t) <> infer.classify('tap_sentiment', 'Hello, my dog is cute') \gset
RESET ROLE;
SELECT cmp_ok(:seen, '>', 0, 'a policy shows rows by their label');
SELECT is(:foreign, 0, 'and hides the others');
SET LOCAL ROLE tap_reader;
SELECT throws_ok($$ INSERT INTO tap_texts VALUES (50, 'Director tried too much.') $$, '42501', NULL, 'and keeps them out');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
