-- Models inside the objects of a database: views, materialized views, generated columns, indexes, triggers, functions.
\set ON_ERROR_STOP on
\set tiny `pwd` '/test/models/tiny-bert'
BEGIN;
SELECT no_plan();
SET search_path = public;
SELECT ok(infer.create_model('tap_tiny', :'tiny') IS NOT NULL, 'a model');
SELECT infer.embed('tap_tiny', 'the cat') AS cat \gset

-- ---- a literal is resolved when it is read ----

CREATE VIEW tap_view AS SELECT infer.embed('tap_tiny', 'the cat') AS e;
SELECT matches(pg_get_viewdef('tap_view'), '''tap_tiny@[0-9a-f]{16}''::infer.model', 'a view shows the digest');
SELECT lives_ok(format('SELECT infer.update_model(%L, %L, %L)', 'tap_tiny', :'tiny', '{"pooling": "cls"}'), 'other weights');
SELECT is((SELECT e FROM tap_view), :'cat'::real[], 'a view keeps its weights');
SELECT isnt(infer.embed('tap_tiny', 'the cat'), :'cat'::real[], 'a new literal has the new ones');
DO $$ BEGIN EXECUTE 'CREATE VIEW tap_again AS ' || pg_get_viewdef('tap_view'); END $$;
SELECT is((SELECT e FROM tap_again), :'cat'::real[], 'so does a view made from its definition');
SELECT lives_ok($$ SELECT infer.prune_model('tap_tiny') $$, 'the old weights go');
SELECT throws_ok('SELECT * FROM tap_view', '42704', NULL, 'and the view says that it has to be made anew');
DROP VIEW tap_view, tap_again;
SELECT lives_ok(format('SELECT infer.update_model(%L, %L, %L)', 'tap_tiny', :'tiny', '{"pooling": null}'), 'the first weights');

PREPARE tap_count(text) AS SELECT infer.count_tokens('tap_tiny', $1);
SELECT results_eq($$ EXECUTE tap_count('the cat') $$, $$ VALUES (4) $$, 'a prepared statement');
PREPARE tap_any(infer.model, text) AS SELECT infer.count_tokens($1, $2);
SELECT results_eq($$ EXECUTE tap_any('tap_tiny', 'the cat') $$, $$ VALUES (4) $$, 'a model as parameter');

-- ---- objects that hold results ----

CREATE TABLE tap_documents (
    id int PRIMARY KEY, body text,
    e real[] GENERATED ALWAYS AS (infer.embed('tap_tiny', body)) STORED,
    n int GENERATED ALWAYS AS (infer.count_tokens('tap_tiny', body)) STORED,
    CHECK (infer.count_tokens('tap_tiny', body) < 20));
INSERT INTO tap_documents VALUES (1, 'the cat'), (2, 'a red house'), (3, NULL), (4, '');
SELECT results_eq('SELECT e FROM tap_documents WHERE id = 1', format('SELECT %L::real[]', :'cat'), 'a generated column');
SELECT throws_ok($$ INSERT INTO tap_documents VALUES (5, repeat('cat ', 40)) $$, '23514', NULL, 'a check constraint');
SELECT throws_ok($$ INSERT INTO tap_documents VALUES (5, repeat('cat ', 100)) $$, '54000', NULL, 'too long a text fails');
SELECT results_eq('SELECT count(*) FROM tap_documents', 'SELECT 4::bigint', 'and only itself');
UPDATE tap_documents SET body = 'the cat' WHERE id = 2;
SELECT results_eq('SELECT e FROM tap_documents WHERE id = 2', format('SELECT %L::real[]', :'cat'), 'follows an update');
ALTER TABLE tap_documents ADD COLUMN two real[] GENERATED ALWAYS AS (infer.embed('tap_tiny', body, dimensions => 2)) STORED;
SELECT results_eq('SELECT DISTINCT cardinality(two) FROM tap_documents WHERE two IS NOT NULL', 'SELECT 2', 'added later');

CREATE MATERIALIZED VIEW tap_matview AS SELECT id, infer.embed('tap_tiny', body) AS e FROM tap_documents;
SELECT results_eq('SELECT e FROM tap_matview WHERE id = 1', format('SELECT %L::real[]', :'cat'), 'a materialized view');
INSERT INTO tap_documents VALUES (5, 'the dog');
REFRESH MATERIALIZED VIEW tap_matview;
SELECT results_eq('SELECT count(e) FROM tap_matview', 'SELECT 4::bigint', 'refreshed');

CREATE INDEX tap_index ON tap_documents (infer.count_tokens('tap_tiny', body)) WHERE infer.count_tokens('tap_tiny', body) > 2;
SET LOCAL enable_seqscan = off;
SELECT results_eq($$ SELECT id FROM tap_documents WHERE infer.count_tokens('tap_tiny', body) > 2 ORDER BY id $$,
                  'VALUES (1), (2), (5)', 'an expression index');
SELECT throws_ok($$ CREATE INDEX ON tap_documents (infer.count_tokens(body::infer.model, 'x')) $$, '42P17', NULL,
                 'a name looked up at run time is not immutable');

CREATE FUNCTION tap_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.e := infer.embed('tap_tiny', NEW.body);
    RETURN NEW;
END $$;
CREATE TABLE tap_rows (body text, e real[]);
CREATE TRIGGER tap_trigger BEFORE INSERT OR UPDATE ON tap_rows FOR EACH ROW EXECUTE FUNCTION tap_trigger();
INSERT INTO tap_rows VALUES ('the cat');
SELECT results_eq('SELECT e FROM tap_rows', format('SELECT %L::real[]', :'cat'), 'a trigger');

CREATE FUNCTION tap_function(t text) RETURNS int LANGUAGE sql IMMUTABLE RETURN infer.count_tokens('tap_tiny', t);
SELECT is(tap_function('the cat'), 4, 'a function with a parsed body');
SELECT matches(pg_get_functiondef('tap_function'::regproc), 'tap_tiny@[0-9a-f]{16}', 'which holds the digest');

CREATE FUNCTION tap_partial(texts text[]) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    good int := 0;
    t text;
BEGIN
    FOREACH t IN ARRAY texts LOOP
        BEGIN
            PERFORM infer.embed('tap_tiny', t);
            good := good + 1;
        EXCEPTION WHEN program_limit_exceeded THEN NULL;
        END;
    END LOOP;
    RETURN good;
END $$;
SELECT is(tap_partial(ARRAY['a', repeat('cat ', 100), 'b', NULL]), 3, 'a bad text can be caught');

-- ---- a model is a server ----

COMMENT ON SERVER tap_tiny IS 'small';
SELECT is(obj_description(oid, 'pg_foreign_server'), 'small', 'COMMENT ON SERVER') FROM pg_foreign_server WHERE srvname = 'tap_tiny';
CREATE TABLE tap_events (event text, tag text);
CREATE FUNCTION tap_event() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tap_events VALUES (TG_EVENT, TG_TAG);
END $$;
CREATE EVENT TRIGGER tap_event ON ddl_command_end EXECUTE FUNCTION tap_event();
SELECT ok(infer.create_model('tap_other', :'tiny') IS NOT NULL, 'another model');
SELECT lives_ok($$ SELECT infer.rename_model('tap_other', 'tap_renamed') $$);
SELECT lives_ok($$ SELECT infer.drop_model('tap_renamed') $$);
DROP EVENT TRIGGER tap_event;
SELECT results_eq('SELECT tag FROM tap_events', $$ VALUES ('CREATE SERVER'), ('ALTER SERVER'), ('DROP SERVER') $$, 'event triggers');

SELECT throws_ok('DROP EXTENSION pg_infer', '2BP01', NULL, 'the extension stays while there are models');

SELECT * FROM finish();
ROLLBACK;
