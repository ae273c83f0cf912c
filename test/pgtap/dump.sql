-- A dump of a database with models restores in its order, and what it holds works; images go with their last database.
\set ON_ERROR_STOP on
\set QUIET on
\set origin :DBNAME
\set tiny `pwd` '/test/models/tiny-bert'
SET client_min_messages = warning;
DROP DATABASE IF EXISTS tap_source;
DROP DATABASE IF EXISTS tap_copy;
DROP DATABASE IF EXISTS tap_third;
CREATE DATABASE tap_source;
CREATE DATABASE tap_copy;

\connect tap_source
CREATE EXTENSION pg_infer;
-- options that no other test has, so that the image is this test's own
SELECT infer.create_model('tiny', :'tiny', '{"description": "it''s small", "max_length": 37}') IS NOT NULL AS created \gset
SELECT 'pg_infer/' || digest || '.' AS file FROM infer.models \gset
COMMENT ON SERVER tiny IS 'a model';
GRANT USAGE ON FOREIGN SERVER tiny TO PUBLIC;
CREATE VIEW v AS SELECT infer.embed('tiny', 'the cat') AS e;
CREATE TABLE t (body text, e real[] GENERATED ALWAYS AS (infer.embed('tiny', body)) STORED,
                n int DEFAULT infer.count_tokens('tiny', 'x'), m infer.model DEFAULT 'tiny');
INSERT INTO t (body) VALUES ('the cat');
CREATE INDEX i ON t (infer.count_tokens('tiny', body));
CREATE MATERIALIZED VIEW mv AS SELECT infer.embed('tiny', body) AS e FROM t;
-- these are dumped before servers
CREATE FUNCTION f(input text) RETURNS real[] BEGIN ATOMIC SELECT infer.embed('tiny', input); END;
CREATE FUNCTION g(input text, m infer.model DEFAULT 'tiny') RETURNS int RETURN infer.count_tokens(m, input);
CREATE DOMAIN short AS text CHECK (infer.count_tokens('tiny', VALUE) <= 5);
\! pg_dump tap_source | psql -Xq -v ON_ERROR_STOP=1 -o /dev/null tap_copy

\connect tap_copy
SELECT description AS copied FROM infer.models WHERE name = 'tiny' \gset
SELECT obj_description(oid, 'pg_foreign_server') AS comment FROM pg_foreign_server WHERE srvname = 'tiny' \gset
SELECT has_server_privilege('pg_monitor', 'tiny', 'USAGE') AS granted \gset
SELECT v.e = infer.embed('tiny', 'the cat') AS by_view, t.e = v.e AS by_column, mv.e = v.e AS by_matview FROM v, t, mv \gset
INSERT INTO t (body) VALUES ('a dog');
SELECT v.e = f('the cat') AS by_function, g('the cat') AS by_argument FROM v \gset
SELECT 'the cat'::short = 'the cat' AS by_domain \gset
\set ON_ERROR_STOP off
SELECT 'the cat the cat the cat'::short;
\set refused :SQLSTATE
\set ON_ERROR_STOP on
SELECT min(n) AS by_default, count(DISTINCT m) AS models FROM t \gset
SELECT count(*) AS two FROM pg_database d, pg_stat_file(:'file' || d.oid, true) f WHERE f.size > 0 \gset

-- each of them is enough to keep the image
\connect tap_source
DROP VIEW v;
DROP MATERIALIZED VIEW mv;
DROP TABLE t;
SELECT infer.drop_model('tiny');
SELECT count(*) AS one FROM pg_database d, pg_stat_file(:'file' || d.oid, true) f WHERE f.size > 0 \gset
\connect :origin
CREATE DATABASE tap_third TEMPLATE tap_copy;
SELECT count(*) AS again_two FROM pg_database d, pg_stat_file(:'file' || d.oid, true) f WHERE f.size > 0 \gset
DROP DATABASE tap_copy;
\connect tap_third
SELECT infer.count_tokens('tiny', 'the cat') AS in_third \gset
\connect :origin
SELECT count(size) AS images FROM pg_stat_file(:'file' || 'img', true) \gset
DROP DATABASE tap_third;
DROP DATABASE tap_source;
SELECT count(size) AS no_images FROM pg_stat_file(:'file' || 'img', true) \gset

SELECT plan(18);
SELECT ok(:'created', 'a model to dump');
SELECT is(:'copied'::text, 'it''s small', 'restored with its options');
SELECT is(:'comment'::text, 'a model', 'with its comment');
SELECT ok(:'granted', 'with its privileges');
SELECT ok(:'by_view', 'a view works');
SELECT ok(:'by_column', 'a generated column works');
SELECT ok(:'by_matview', 'a materialized view works');
SELECT is(:by_default, 3, 'a default works');
SELECT ok(:'by_function', 'a function with an SQL body works');
SELECT is(:by_argument, 4, 'an argument''s default works');
SELECT ok(:'by_domain', 'a domain works');
SELECT is(:'refused'::text, '23514', 'and refuses what it should');
SELECT is(:models, 1, 'a column of models holds the same');
SELECT is(:two, 2, 'both databases refer to the image');
SELECT is(:one, 1, 'after a drop only the other one');
SELECT is(:again_two, 2, 'a database made from a template refers to it too');
SELECT is(:in_third * 10 + :images, 41, 'and keeps it when the template goes');
SELECT is(:no_images, 0, 'the image goes with its last database');
SELECT * FROM finish();
