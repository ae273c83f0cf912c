-- Models at work in tables: triggers, materialised views, generated columns, indexes, constraints, policies, and rows of
-- task functions in queries [CM-18].
\set ON_ERROR_STOP on
\set QUIET on
\set root `pwd` '/test/reference/pipelines'
\set tiny `pwd` '/test/models/tiny-bert'
SET client_min_messages = warning;
BEGIN;
SELECT plan(41);

SELECT infer.create_model('mood', :'root' || '/classify-bert');
SELECT infer.create_model('toxic', :'root' || '/classify-bert-multi');
SELECT infer.create_model('ner', :'root' || '/tag-bert');
SELECT infer.create_model('qa', :'root' || '/answer-bert');
SELECT infer.create_model('mlm', :'root' || '/mask-bert');
SELECT infer.create_model('ranker', :'root' || '/score-bert');
SELECT infer.create_model('vec', :'tiny');

-- What Transformers says of the texts: label-<i> is the label of scores-<i>'s input.
CREATE TABLE sample AS
SELECT row_number() OVER () AS id, c #>> '{call,input}' AS body, c ->> 'expect' AS label
FROM jsonb_array_elements(pg_read_file(:'root' || '/classify-bert/cases.json')::jsonb -> 'cases') AS c
WHERE c ->> 'name' ~ '^label-\d';
SELECT cmp_ok((SELECT count(DISTINCT label) FROM sample), '>', 2::bigint, 'the texts have several labels');

-- ---- row triggers ----

CREATE TABLE review (id int PRIMARY KEY, body text, label text);
CREATE FUNCTION label_review() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.label := infer.classify('mood', NEW.body);
    RETURN NEW;
END $$;
CREATE TRIGGER label BEFORE INSERT OR UPDATE OF body ON review FOR EACH ROW EXECUTE FUNCTION label_review();
INSERT INTO review (id, body) SELECT id, body FROM sample;
SELECT results_eq('SELECT id, label FROM review ORDER BY id', 'SELECT id::int, label FROM sample ORDER BY id',
                  'a row trigger classifies what is inserted');
UPDATE review SET body = (SELECT body FROM sample WHERE id = 2) WHERE id = 1;
SELECT is((SELECT label FROM review WHERE id = 1), (SELECT label FROM sample WHERE id = 2), 'and what is updated');
UPDATE review SET body = NULL WHERE id = 1;
SELECT is((SELECT label FROM review WHERE id = 1), NULL, 'a NULL has no label');
UPDATE review SET label = 'by hand' WHERE id = 2;
SELECT is((SELECT label FROM review WHERE id = 2), 'by hand', 'another column is left alone');
SELECT throws_like($$INSERT INTO review VALUES (99, repeat('x ', 100))$$, '%tokens, but at most 80%', 'a text that is too long fails its insert');
SELECT is((SELECT count(*) FROM review WHERE id = 99), 0::bigint, 'and leaves no row');
INSERT INTO review (id, body) VALUES (7, 'Hello') ON CONFLICT (id) DO UPDATE SET body = excluded.body;
INSERT INTO review (id, body) VALUES (7, 'Director tried too much.') ON CONFLICT (id) DO UPDATE SET body = excluded.body;
SELECT is((SELECT label FROM review WHERE id = 7), infer.classify('mood', 'Director tried too much.'), 'an upsert goes through it too');

-- ---- statement triggers ----

CREATE TABLE post (id int PRIMARY KEY, body text);
CREATE TABLE post_label (id int PRIMARY KEY REFERENCES post ON DELETE CASCADE, label text, score real);
CREATE FUNCTION label_posts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- all new rows at once
    INSERT INTO post_label
    SELECT a.ids[c.ord], c.label, c.score
    FROM (SELECT array_agg(id ORDER BY id) AS ids, array_agg(body ORDER BY id) AS bodies FROM new_posts) AS a,
         infer.classify_many('mood', a.bodies) AS c
    ON CONFLICT (id) DO UPDATE SET label = excluded.label, score = excluded.score;
    RETURN NULL;
END $$;
CREATE TRIGGER label AFTER INSERT ON post REFERENCING NEW TABLE AS new_posts FOR EACH STATEMENT EXECUTE FUNCTION label_posts();
CREATE TRIGGER label_again AFTER UPDATE ON post REFERENCING NEW TABLE AS new_posts FOR EACH STATEMENT EXECUTE FUNCTION label_posts();
INSERT INTO post SELECT id, body FROM sample;
SELECT results_eq('SELECT id, label FROM post_label ORDER BY id', 'SELECT id::int, label FROM sample ORDER BY id',
                  'a statement trigger classifies all rows of an insert');
SELECT ok((SELECT bool_and(score BETWEEN 0 AND 1) FROM post_label), 'with their scores');
UPDATE post SET body = 'Hello, my dog is cute' WHERE id IN (1, 2);
SELECT is((SELECT count(*) FROM post_label WHERE label = infer.classify('mood', 'Hello, my dog is cute') AND id IN (1, 2)), 2::bigint,
          'and those of an update');
INSERT INTO post SELECT 50, 'x' WHERE false;
SELECT is((SELECT count(*) FROM post_label), (SELECT count(*) FROM post), 'no rows, nothing to do');
COPY post FROM PROGRAM 'printf "60\tThis movie is disgustingly good!\n61\tDirector tried too much.\n"';
SELECT is((SELECT array_agg(label ORDER BY id) FROM post_label WHERE id >= 60),
          (SELECT array_agg(label ORDER BY id) FROM sample WHERE id <= 2), 'COPY runs it once');

-- ---- materialised views ----

CREATE MATERIALIZED VIEW post_vector AS SELECT id, infer.embed('vec', body, truncate => 'end') AS embedding FROM post;
CREATE UNIQUE INDEX ON post_vector (id);
SELECT is((SELECT count(*) FROM post_vector), (SELECT count(*) FROM post), 'a materialised view of vectors');
INSERT INTO post VALUES (70, 'She had a little thin face.');
DELETE FROM post WHERE id = 61;
REFRESH MATERIALIZED VIEW CONCURRENTLY post_vector;
SELECT results_eq('SELECT id, embedding FROM post_vector ORDER BY id', $$SELECT id, infer.embed('vec', body, truncate => 'end') FROM post ORDER BY id$$,
                  'is refreshed concurrently');
SELECT is((SELECT id FROM post_vector ORDER BY infer.cosine_similarity(embedding, infer.embed('vec', 'She had a little thin face.')) DESC LIMIT 1),
          70, 'and searched');

-- ---- generated columns ----

CREATE TABLE article (
    id int PRIMARY KEY,
    body text NOT NULL,
    label text GENERATED ALWAYS AS (infer.classify('mood', body)) STORED,
    score real GENERATED ALWAYS AS (infer.score('ranker', 'my dog', body)) STORED,
    embedding real[] GENERATED ALWAYS AS (infer.embed('vec', body, truncate => 'end')) STORED
);
INSERT INTO article SELECT id, body FROM sample;
SELECT results_eq('SELECT id, label FROM article ORDER BY id', 'SELECT id::int, label FROM sample ORDER BY id', 'a generated column has labels');
SELECT ok((SELECT bool_and(score = infer.score('ranker', 'my dog', body)) FROM article), 'one the scores of a pair');
SELECT ok((SELECT bool_and(embedding = infer.embed('vec', body, truncate => 'end')) FROM article), 'another has vectors');
UPDATE article SET body = 'Hello' WHERE id = 1;
SELECT ok((SELECT embedding = infer.embed('vec', 'Hello') AND label = infer.classify('mood', 'Hello') FROM article WHERE id = 1),
          'they follow an update');

-- ---- expression indexes ----

CREATE TABLE comment_ AS SELECT i AS id, (SELECT body FROM sample WHERE sample.id = 1 + i % 6) AS body FROM generate_series(1, 300) AS i;
CREATE INDEX ON comment_ (infer.classify('mood', body));
ANALYZE comment_;
SET LOCAL enable_seqscan = off;
CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RETURN plan;
END $$;
SELECT matches(plan_of($$SELECT * FROM comment_ WHERE infer.classify('mood', body) = 'NEGATIVE'$$), 'Index', 'an index on an expression is used');
SELECT is((SELECT count(*) FROM comment_ WHERE infer.classify('mood', body) = 'NEGATIVE'),
          50 * (SELECT count(*) FROM sample WHERE label = 'NEGATIVE'), 'and finds what it should');
INSERT INTO comment_ VALUES (301, 'Director tried too much.');
SELECT is((SELECT count(*) FROM comment_ WHERE infer.classify('mood', body) = (SELECT label FROM sample WHERE id = 2) AND id = 301), 1::bigint,
          'new rows are in it');
CREATE UNIQUE INDEX one_per_label ON article (label) WHERE id > 100;
INSERT INTO article (id, body) VALUES (101, 'Hello');
SELECT throws_ok($$INSERT INTO article (id, body) VALUES (102, 'Hello')$$, '23505', NULL, 'a unique index over labels');
RESET enable_seqscan;

-- ---- CHECK constraints and domains ----

CREATE TABLE wall (body text CHECK (infer.classify('mood', body) <> 'NEGATIVE'));
SELECT lives_ok($$INSERT INTO wall SELECT body FROM sample WHERE label <> 'NEGATIVE'$$, 'a CHECK lets rows in');
SELECT throws_ok($$INSERT INTO wall SELECT body FROM sample WHERE label = 'NEGATIVE'$$, '23514', NULL, 'and keeps others out');
SELECT lives_ok($$INSERT INTO wall VALUES (NULL)$$, 'NULL passes');
CREATE DOMAIN kind_text AS text CHECK (infer.classify('mood', VALUE) <> 'NEGATIVE');
SELECT throws_ok($$SELECT body::kind_text FROM sample WHERE label = 'NEGATIVE'$$, '23514', NULL, 'a domain does the same');

-- ---- policies ----

CREATE TABLE letter (id int, body text);
INSERT INTO letter SELECT id, body FROM sample;
ALTER TABLE letter ENABLE ROW LEVEL SECURITY;
CREATE POLICY gentle ON letter USING (infer.classify('mood', body) <> 'NEGATIVE') WITH CHECK (infer.classify('mood', body) <> 'NEGATIVE');
CREATE ROLE tap_letter_reader;
GRANT SELECT, INSERT ON letter TO tap_letter_reader;
GRANT SELECT ON sample TO tap_letter_reader;
GRANT USAGE ON SCHEMA infer TO tap_letter_reader;
GRANT USAGE ON FOREIGN SERVER mood TO tap_letter_reader;
SET LOCAL ROLE tap_letter_reader;
CREATE TEMP TABLE seen AS SELECT id FROM letter;
SELECT throws_ok($$INSERT INTO letter SELECT id, body FROM sample WHERE label = 'NEGATIVE'$$, '42501', NULL,
                 'a policy keeps a reader from writing such rows');
RESET ROLE;
SELECT results_eq('SELECT id FROM seen ORDER BY id', $$SELECT id::int FROM sample WHERE label <> 'NEGATIVE' ORDER BY id$$,
                  'and from seeing them');

-- ---- rows in queries ----

SELECT results_eq($$SELECT s.id, t.tag FROM sample s, infer.tag('ner', s.body, 'first', 10) AS t ORDER BY s.id, t.ord$$,
                  $$SELECT s.id, (t).tag FROM sample s, LATERAL (SELECT infer.tag('ner', s.body, 'first', 10) AS t) AS x ORDER BY s.id, (t).ord$$,
                  'LATERAL, with and without the word');
SELECT is((SELECT count(*) FROM sample s LEFT JOIN LATERAL infer.tag('ner', s.body, stride => 10, ignore_labels => '{PER,ORG,LOC,O}') AS t ON true
           WHERE t.tag IS NULL), (SELECT count(*) FROM sample), 'LEFT JOIN keeps texts without entities');
CREATE VIEW person AS SELECT s.id, t.word, t.pos, t.len FROM sample s, infer.tag('ner', s.body, 'max', 10) AS t WHERE t.tag = 'PER';
CREATE TABLE mention AS TABLE person WITH NO DATA;
INSERT INTO mention SELECT * FROM person;
SELECT results_eq('SELECT * FROM mention ORDER BY id, pos', 'SELECT * FROM person ORDER BY id, pos', 'INSERT ... SELECT from a view');
SELECT ok((SELECT bool_and(substr(s.body, m.pos, m.len) = m.word) FROM mention m JOIN sample s USING (id)), 'positions are those of the text');
SELECT results_eq($$SELECT s.id, c.label FROM sample s, infer.classify_scores('mood', s.body, top_k => 1) AS c ORDER BY s.id$$,
                  'SELECT id, label FROM sample ORDER BY id', 'the best of the scores is the label');
SELECT is((SELECT count(*) FROM sample s, infer.classify_scores('mood', s.body)), 4 * (SELECT count(*) FROM sample), 'a row for each label');
SELECT ok((SELECT bool_and(a.answer = substr(s.body, a.pos, a.len)) FROM sample s, infer.answers('qa', 'Who?', s.body, top_k => 3) AS a),
          'answers of many contexts');
SELECT is((SELECT array_agg(DISTINCT f.mask) FROM (VALUES ('a [MASK] of [MASK]')) AS p(prompt), infer.fill_mask('mlm', p.prompt, 2) AS f), '{1,2}',
          'masks of a prompt');
WITH RECURSIVE filled(round, prompt) AS (
    SELECT 0, 'the [MASK] fox [MASK]'
    UNION ALL
    SELECT round + 1, regexp_replace(prompt, '\[MASK\]', (SELECT token FROM infer.fill_mask('mlm', prompt, 1) WHERE mask = 1))
    FROM filled WHERE prompt ~ '\[MASK\]' AND round < 5
)
SELECT is(max(round), 2, 'a recursive query fills one mask after the other') FROM filled;
PREPARE label_of(text) AS SELECT infer.classify('mood', $1);
CREATE TEMP TABLE prepared AS EXECUTE label_of('Director tried too much.');
SELECT is((SELECT classify FROM prepared), (SELECT label FROM sample WHERE id = 2), 'a prepared statement');
SELECT ok((SELECT bool_and(l <@ of_scores AND of_scores <@ l)
           FROM sample, infer.classify_labels('toxic', body) AS l,
                LATERAL (SELECT ARRAY(SELECT label FROM infer.classify_scores('toxic', body, function_to_apply => 'sigmoid') WHERE score > 0.5)) AS s(of_scores)), 'labels of several at once');

SELECT * FROM finish();
ROLLBACK;
