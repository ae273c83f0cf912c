-- Looking ahead: what EXPLAIN shows of it, in statements of every kind.
\getenv srcdir PG_ABS_SRCDIR
\set tiny :srcdir '/test/models/tiny-bert'
\set tag :srcdir '/test/reference/pipelines/tag-bert'
SELECT infer.create_model('pf', :'tiny') IS NOT NULL AND infer.create_model('pf_tag', :'tag') IS NOT NULL AS created;
CREATE TABLE pf_docs (id int PRIMARY KEY, body text, near real);
INSERT INTO pf_docs SELECT id, 'the cat of ' || id % 20 FROM generate_series(1, 100) AS id;
ANALYZE pf_docs;
-- digests are left out of what is shown, and so is what later versions of PostgreSQL show of their own
CREATE FUNCTION pf_explain(options text, query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    options := regexp_replace(options, 'ANALYZE', 'ANALYZE, BUFFERS OFF');
    FOR line IN EXECUTE 'EXPLAIN (' || options || ') ' || query LOOP
        CONTINUE WHEN line ~ '^ *Window: ';
        line := regexp_replace(line, '@[0-9a-f]{16}', '@...', 'g');
        line := regexp_replace(line, '((?:rows|Rows)(?:=|": |: |>)\d+)\.\d\d', '\1', 'g');
        line := regexp_replace(line, E',?\n *(?:"Disabled": false|Disabled: false|<Disabled>false</Disabled>)', '', 'g');
        line := regexp_replace(line, ' OVER w\d+', ' OVER (?)', 'g');
        line := regexp_replace(line, '\(ANY \(.* = \((hashed SubPlan \d+)\)\.col1\)\)', '(\1)');
        RETURN NEXT line;
    END LOOP;
END $$;

-- formats; equal texts are computed once
SELECT pf_explain('COSTS OFF', $$SELECT infer.similarity('pf', body, 'a dog') FROM pf_docs$$);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT infer.similarity('pf', body, 'a dog') FROM pf_docs$$);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT json', $$SELECT infer.similarity('pf', body, 'a dog') FROM pf_docs$$);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT yaml', $$SELECT infer.similarity('pf', body, 'a dog') FROM pf_docs$$);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT xml', $$SELECT infer.similarity('pf', body, 'a dog') FROM pf_docs$$);
SELECT pf_explain('VERBOSE, COSTS OFF', $$SELECT id FROM pf_docs WHERE infer.similarity('pf', body, 'a dog') > 0.5 AND id < 50$$);
SELECT format, found[1] FROM unnest('{text,json,yaml,xml}'::text[]) AS format,
    pf_explain('ANALYZE, COSTS OFF, SUMMARY OFF, FORMAT ' || format, $$SELECT infer.similarity('pf', body, 'a dog') FROM pf_docs$$) AS line,
    regexp_matches(regexp_replace(line, '[0-9]+\.[0-9]{3}', 'N', 'g'), '[^\n]*(?:Engine|Wait).Time[^\n]*', 'g') AS found;
SELECT (pf_explain('ANALYZE, FORMAT json', $$SELECT infer.similarity('pf', body, 'a dog') FROM pf_docs$$)::json #>> '{0,Plan,Engine Time}')::float > 0 AS computed;

-- what engines compute is no reason to compile a plan's expressions
SET jit = on;
SET jit_above_cost = 10;
SELECT plan #> '{0,JIT}' IS NULL AS not_compiled, (plan #>> '{0,Plan,Total Cost}')::float > 10 AS costs_enough FROM (
    SELECT pf_explain('FORMAT json', $$SELECT max(infer.similarity('pf', body, 'x')) FROM pf_docs$$)::jsonb AS plan) AS explained;
RESET jit_above_cost;
RESET jit;

-- a limit computes what it wants
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT infer.similarity('pf', body, body) FROM pf_docs LIMIT 1$$);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT infer.similarity('pf', body, body) FROM (SELECT * FROM pf_docs ORDER BY body) AS d ORDER BY body LIMIT 5 OFFSET 2$$);
SET pg_infer.prefetch_rows = 10;
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT infer.similarity('pf', body, body) FROM pf_docs$$);
RESET pg_infer.prefetch_rows;

-- where calls are
SELECT pf_explain('COSTS OFF', $$SELECT max(infer.similarity('pf', body, 'x')) FROM pf_docs$$);
SELECT pf_explain('COSTS OFF', $$SELECT infer.embed('pf', string_agg(body, ' '), truncate => 'end') FROM pf_docs GROUP BY id % 2 HAVING infer.similarity('pf', min(body), 'x') > 0$$);
SELECT pf_explain('COSTS OFF', $$SELECT sum(infer.similarity('pf', body, 'x')) OVER () FROM pf_docs$$);
SELECT pf_explain('COSTS OFF', $$SELECT d.id, t.* FROM pf_docs d, infer.tag('pf_tag', d.body) AS t$$);
SELECT pf_explain('COSTS OFF', $$SELECT id, infer.tag('pf_tag', body) FROM pf_docs$$);
SELECT pf_explain('COSTS OFF', $$SELECT id FROM pf_docs ORDER BY infer.similarity('pf', body, 'x') DESC LIMIT 3$$);
SELECT pf_explain('COSTS OFF', $$SELECT a.id FROM pf_docs a JOIN pf_docs b ON a.id = b.id + 1 AND infer.similarity('pf', a.body, b.body) > 0.5$$);
SELECT pf_explain('COSTS OFF', $$SELECT infer.similarity('pf', body, (infer.similarity('pf', body, 'x'))::text) FROM pf_docs$$);

-- conditions in front of calls: only what they let through is computed
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT CASE WHEN id <= 3 THEN infer.similarity('pf', body, 'x') WHEN length(body) > 12 AND id < 50 THEN infer.similarity('pf', body, 'y') WHEN id < 5 THEN 0 ELSE infer.similarity('pf', left(body, id % 2), 'z') END FROM pf_docs$$);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT CASE id % 50 WHEN 1 THEN 0 WHEN length(body) THEN infer.similarity('pf', body, id::text) END FROM pf_docs$$);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT coalesce(nullif(near, id), CASE WHEN id > 98 THEN infer.similarity('pf', body, id::text) END, infer.similarity('pf', id::text, 'x')) FROM pf_docs WHERE id > 95$$);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT id FROM pf_docs WHERE id < 95 OR (id <> 97 AND infer.similarity('pf', id::text, 'x') < 2)$$);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT sum(infer.similarity('pf', id::text, 'x')) FILTER (WHERE id > 90), count(*) FILTER (WHERE infer.similarity('pf', id::text, 'y') < 2) FROM pf_docs WHERE id > 80$$);
-- a call in the condition of another comes first; the same call in two places
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT CASE WHEN infer.similarity('pf', id::text, 'x') > 2 THEN infer.similarity('pf', body, 'y') ELSE infer.similarity('pf', body, 'z') END FROM pf_docs WHERE id > 90$$);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT CASE WHEN id = 91 THEN infer.similarity('pf', infer.similarity('pf', body, 'x')::text, 'y') END, CASE WHEN id > 98 THEN infer.similarity('pf', body, 'x') END FROM pf_docs WHERE id > 90$$);
SELECT id, CASE WHEN id = 91 THEN infer.similarity('pf', infer.similarity('pf', body, 'x')::text, 'y') END IS NULL AS one, CASE WHEN id > 98 THEN infer.similarity('pf', body, 'x') END IS NULL AS two FROM pf_docs WHERE id > 90 AND id % 4 = 3;
-- what was computed for some rows only is not taken for others, in places whose conditions are unknown or come later
SELECT id, CASE WHEN id = 91 THEN infer.similarity('pf', infer.similarity('pf', body, 'x')::text, 'y') END IS NULL AS one, CASE WHEN random() < 2 THEN infer.similarity('pf', body, 'x') END IS NULL AS two FROM pf_docs WHERE id > 90 AND id % 4 = 3;
SELECT id, infer.similarity('pf', body, 'x') IS NULL AS none FROM pf_docs WHERE CASE WHEN id = 3 THEN infer.similarity('pf', infer.similarity('pf', body, 'x')::text, 'y') < 2 ELSE id < 5 END;
-- conditions that fail are for the call itself
SELECT id, CASE WHEN 10 / (id - 5) > 0 THEN infer.similarity('pf', body, 'x') END IS NULL AS none FROM pf_docs ORDER BY id LIMIT 4;
SELECT id, CASE WHEN 10 / (id - 5) > 0 THEN infer.similarity('pf', body, 'x') END IS NULL AS none FROM pf_docs ORDER BY id LIMIT 5;
-- volatile conditions and subqueries stay what they are
SELECT pf_explain('COSTS OFF', $$SELECT CASE WHEN random() > 0.5 THEN infer.similarity('pf', body, 'x') END FROM pf_docs$$);
SELECT pf_explain('COSTS OFF', $$SELECT CASE WHEN EXISTS (SELECT FROM pf_docs o WHERE o.id = d.id + 1 OFFSET 0) THEN infer.similarity('pf', body, 'x') END FROM pf_docs d$$);
-- subqueries that call functions for the row
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT ARRAY(SELECT word FROM infer.tag('pf_tag', d.body)) FROM pf_docs d WHERE id < 9$$);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT id, (SELECT infer.similarity('pf', d.body, 'x')), CASE WHEN id < 4 THEN (SELECT word FROM infer.tag('pf_tag', d.id::text) ORDER BY score LIMIT 1) END FROM pf_docs d WHERE id < 9$$);
SELECT pf_explain('COSTS OFF', $$SELECT id FROM pf_docs d WHERE infer.similarity('pf', body, 'x')::text NOT IN (SELECT body FROM pf_docs WHERE body IS NOT NULL)$$);

-- where nothing may happen early
SELECT pf_explain('COSTS OFF', $$SELECT infer.similarity('pf', body || random(), 'x') FROM pf_docs$$);
SELECT pf_explain('COSTS OFF', $$SELECT infer.similarity('pf', body, 'x') FROM (SELECT body FROM pf_docs FOR UPDATE) AS d$$);
SELECT pf_explain('COSTS OFF', $$SELECT id FROM pf_docs WHERE id < 5 OR infer.similarity('pf', body, 'x') > 0$$);
SET pg_infer.prefetch = off;
SELECT pf_explain('COSTS OFF', $$SELECT infer.similarity('pf', body, 'x') FROM pf_docs$$);
RESET pg_infer.prefetch;

-- other statements
SELECT pf_explain('COSTS OFF', $$UPDATE pf_docs SET near = infer.similarity('pf', body, 'x')$$);
SELECT pf_explain('COSTS OFF', $$INSERT INTO pf_docs SELECT id + 1000, body, infer.similarity('pf', body, 'x') FROM pf_docs$$);
SELECT pf_explain('COSTS OFF', $$CREATE TABLE pf_new AS SELECT infer.embed('pf', body) FROM pf_docs$$);
SELECT pf_explain('COSTS OFF', $$DELETE FROM pf_docs WHERE infer.similarity('pf', body, 'x') > 2$$);
SELECT pf_explain('COSTS OFF', $$MERGE INTO pf_docs d USING (SELECT id, infer.similarity('pf', body, 'x') AS near FROM pf_docs) s ON d.id = s.id WHEN MATCHED THEN UPDATE SET near = s.near$$);
UPDATE pf_docs SET near = infer.similarity('pf', body, 'the cat');
SELECT count(*) AS wrong FROM pf_docs WHERE near IS DISTINCT FROM infer.similarity('pf', body, 'the cat');
MERGE INTO pf_docs d USING (SELECT id, infer.similarity('pf', body, 'a dog') AS near FROM pf_docs) s ON d.id = s.id WHEN MATCHED AND d.id < 50 THEN UPDATE SET near = s.near;
SELECT count(*) FROM pf_docs WHERE near = infer.similarity('pf', body, 'a dog');
CREATE TABLE pf_new AS SELECT id, infer.embed('pf', body) AS embedding FROM pf_docs;
CREATE MATERIALIZED VIEW pf_view AS SELECT id, infer.embed('pf', body) AS embedding FROM pf_docs;
REFRESH MATERIALIZED VIEW pf_view;
SELECT count(*) AS same FROM pf_new JOIN pf_view USING (id, embedding);
COPY (SELECT id, infer.similarity('pf', body, body) FROM pf_docs WHERE id < 4) TO STDOUT;
PREPARE pf_prepared(int) AS SELECT count(infer.similarity('pf', body, 'x')) FROM pf_docs WHERE id < $1;
EXECUTE pf_prepared(10);
SET plan_cache_mode = force_generic_plan;
EXECUTE pf_prepared(20);
SET pg_infer.prefetch = off;
EXECUTE pf_prepared(30);
RESET pg_infer.prefetch;
EXPLAIN (COSTS OFF) EXECUTE pf_prepared(30);
RESET plan_cache_mode;

-- cursors: forward, backward, beyond their transaction, at a row
BEGIN;
DECLARE pf_forward CURSOR FOR SELECT id, infer.similarity('pf', body, body) FROM pf_docs ORDER BY id;
FETCH 2 FROM pf_forward;
MOVE 40 IN pf_forward;
FETCH 1 FROM pf_forward;
DECLARE pf_scroll SCROLL CURSOR FOR SELECT id, infer.similarity('pf', body, body) FROM pf_docs;
FETCH 3 FROM pf_scroll;
FETCH BACKWARD 2 FROM pf_scroll;
FETCH LAST FROM pf_scroll;
SELECT pf_explain('VERBOSE, COSTS OFF', $$DECLARE pf_explained SCROLL CURSOR FOR SELECT id, infer.similarity('pf', body, body) FROM (SELECT max(id) AS id, body FROM pf_docs GROUP BY body) AS d$$);
DECLARE pf_unsaid CURSOR FOR SELECT id, infer.similarity('pf', body, body) FROM pf_docs;
FETCH 3 FROM pf_unsaid;
FETCH BACKWARD 1 FROM pf_unsaid;
FETCH RELATIVE 0 FROM pf_unsaid;
DECLARE pf_hold CURSOR WITH HOLD FOR SELECT id, infer.similarity('pf', body, body) FROM pf_docs;
DECLARE pf_at CURSOR FOR SELECT id, infer.similarity('pf', body, body) FROM pf_docs WHERE id < 3 FOR UPDATE;
FETCH 1 FROM pf_at;
UPDATE pf_docs SET near = -1 WHERE CURRENT OF pf_at;
SELECT id FROM pf_docs WHERE near = -1;
COMMIT;
FETCH 1 FROM pf_hold;
CLOSE pf_hold;

-- the row that a cursor is on, and those before it, though the scan is ahead
CREATE TABLE pf_parts (id int, body text, n int DEFAULT 0) PARTITION BY RANGE (id);
CREATE TABLE pf_part_1 PARTITION OF pf_parts FOR VALUES FROM (0) TO (20);
CREATE TABLE pf_part_2 (n int DEFAULT 0, body text, id int);
ALTER TABLE pf_parts ATTACH PARTITION pf_part_2 FOR VALUES FROM (20) TO (60);
INSERT INTO pf_parts SELECT id, 'the cat of ' || id FROM generate_series(1, 50) AS id;
BEGIN;
DECLARE pf_on CURSOR FOR SELECT id FROM pf_parts WHERE id % 2 = 1 AND infer.similarity('pf', body, body) < 2;
FETCH 3 FROM pf_on;
UPDATE pf_parts SET n = 1 WHERE CURRENT OF pf_on;
FETCH BACKWARD 1 FROM pf_on;
UPDATE pf_part_1 SET n = 2 WHERE CURRENT OF pf_on;
MOVE 20 IN pf_on;
FETCH 1 FROM pf_on;
UPDATE pf_part_1 SET n = 3 WHERE CURRENT OF pf_on;
UPDATE pf_parts SET n = 4 WHERE CURRENT OF pf_on;
FETCH 5 FROM pf_on;
UPDATE pf_parts SET n = 5 WHERE CURRENT OF pf_on;
ROLLBACK;
BEGIN;
DECLARE pf_on CURSOR FOR SELECT id FROM pf_parts WHERE id % 2 = 1 AND infer.similarity('pf', body, body) < 2;
MOVE 22 IN pf_on;
DELETE FROM pf_parts WHERE CURRENT OF pf_on;
FETCH ALL FROM pf_on;
FETCH BACKWARD 3 FROM pf_on;
UPDATE pf_parts SET n = 6 WHERE CURRENT OF pf_on;
FETCH ABSOLUTE 2 FROM pf_on;
FETCH RELATIVE -1 FROM pf_on;
FETCH PRIOR FROM pf_on;
FETCH NEXT FROM pf_on;
UPDATE pf_parts SET n = 7 WHERE CURRENT OF pf_on;
SELECT id, n FROM pf_parts WHERE n <> 0 OR id BETWEEN 42 AND 44 ORDER BY id;
ROLLBACK;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
CREATE INDEX ON pf_part_1 (id);
VACUUM pf_part_1;
BEGIN;
DECLARE pf_on CURSOR FOR SELECT id, infer.similarity('pf', infer.similarity('pf', id::text, 'x')::text, 'y') < 2 AS near FROM pf_part_1 WHERE id > 1 ORDER BY id LIMIT 12;
MOVE 9 IN pf_on;
UPDATE pf_part_1 SET n = -2 WHERE CURRENT OF pf_on;
FETCH BACKWARD 2 FROM pf_on;
UPDATE pf_part_1 SET n = -2 WHERE CURRENT OF pf_on;
SELECT id FROM pf_part_1 WHERE n = -2 ORDER BY id;
DECLARE pf_sorted CURSOR FOR SELECT id FROM pf_part_1 WHERE infer.similarity('pf', body, body) < 2 ORDER BY n;
MOVE 3 IN pf_sorted;
UPDATE pf_part_1 SET n = -2 WHERE CURRENT OF pf_sorted;
ROLLBACK;
RESET enable_seqscan;
RESET enable_bitmapscan;
BEGIN;
DECLARE pf_on SCROLL CURSOR FOR SELECT id FROM pf_parts WHERE 10 / (id - 7) >= -10 AND infer.similarity('pf', body, 'x') < 2;
FETCH 5 FROM pf_on;
FETCH BACKWARD 2 FROM pf_on;
FETCH 3 FROM pf_on;
FETCH 1 FROM pf_on;
ROLLBACK;
DROP TABLE pf_parts;

-- run conditions of windows, keys of hash joins behind others, what a cursor reads after a change of the setting, and backwards
SELECT id, row FROM (SELECT infer.similarity('pf', body, near::text) < 2 AS same, id, row_number() OVER (ORDER BY id) AS row FROM pf_docs) AS d WHERE row <= 2 AND same;
SELECT pf_explain('VERBOSE, COSTS OFF', $$SELECT * FROM (SELECT infer.similarity('pf', body, near::text) AS near, row_number() OVER (ORDER BY id) AS row FROM pf_docs) AS d WHERE row <= 2$$);
CREATE TABLE pf_keys AS SELECT NULL::int AS id, repeat('long ', 600) AS body UNION ALL VALUES (1, 'the cat of 1');
SET enable_mergejoin = off;
SET enable_nestloop = off;
SELECT k.id FROM pf_keys k JOIN pf_docs d ON k.id = d.id AND infer.similarity('pf', k.body, 'x') = infer.similarity('pf', d.body, 'x');
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT k.id, d.id FROM pf_keys k LEFT JOIN pf_docs d ON k.id = nullif(d.id, 7) AND infer.similarity('pf', k.body, 'x') = infer.similarity('pf', d.body, 'x') WHERE d.id IS NULL OR d.id < 10$$);
SELECT k.id, d.id FROM pf_keys k FULL JOIN (SELECT * FROM pf_docs WHERE id IN (1, 7)) d ON k.id = nullif(d.id, 7) AND infer.similarity('pf', k.body, 'x') = infer.similarity('pf', d.body, 'x') ORDER BY 1, 2;
RESET enable_mergejoin;
RESET enable_nestloop;
DROP TABLE pf_keys;
SELECT pf_explain('COSTS OFF', $$SELECT id FROM pf_docs WHERE ROW(id, infer.similarity('pf', body, 'x')) < ROW(3, 0)$$);
CREATE SEQUENCE pf_numbers;
SELECT pf_explain('COSTS OFF', $$WITH d AS MATERIALIZED (SELECT body, nextval('pf_numbers') FROM pf_docs) SELECT infer.similarity('pf', body, 'x') FROM d$$);
SELECT pf_explain('COSTS OFF', $$SELECT infer.similarity('pf', body, n::text) FROM (SELECT body, (SELECT nextval('pf_numbers') WHERE id > 0) AS n FROM pf_docs OFFSET 0) AS d$$);
DROP SEQUENCE pf_numbers;
BEGIN;
DECLARE pf_turned CURSOR FOR SELECT infer.similarity('pf', body, body) FROM pf_docs;
MOVE 70 IN pf_turned;
SET LOCAL pg_infer.prefetch = off;
MOVE ALL IN pf_turned;
SET LOCAL pg_infer.prefetch = on;
DECLARE pf_limited SCROLL CURSOR FOR SELECT id, infer.similarity('pf', body, body) FROM pf_docs ORDER BY id LIMIT 50;
MOVE 20 IN pf_limited;
FETCH BACKWARD 2 FROM pf_limited;
COMMIT;

-- errors come with their rows
INSERT INTO pf_docs VALUES (0, repeat('long ', 600), 0);
SELECT id FROM pf_docs WHERE infer.similarity('pf', body, 'x') < 2 LIMIT 3;
SELECT count(infer.similarity('pf', body, 'x')) FROM pf_docs;
SELECT count(infer.similarity('pf', body, 'x')) FROM pf_docs WHERE length(body) < 100;
SELECT count(infer.similarity('pf', substr(body, 1, id - 50), 'x')) FROM pf_docs WHERE id > 55;
SELECT count(infer.similarity('pf', substr(body, 1, id - 50), 'x')) FROM pf_docs WHERE id > 40;
-- so do those of filters, columns and stages below
CREATE TABLE pf_fail AS SELECT id, 'the cat of ' || id AS body, CASE WHEN id = 7 THEN 600 ELSE 1 END AS times FROM generate_series(1, 100) AS id;
CREATE FUNCTION pf_in_plpgsql(wanted int) RETURNS int STABLE COST 1 LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT * FROM pf_fail WHERE id >= wanted LOOP
        RETURN 10 / (found.id - 7);
    END LOOP;
END $$;
CREATE FUNCTION pf_in_sql(wanted int) RETURNS bigint STABLE COST 1 LANGUAGE sql AS $$ SELECT sum(10 / (id - 7)) FROM pf_fail WHERE id = wanted GROUP BY body $$;
CREATE FUNCTION pf_failing(query text, wanted int[]) RETURNS TABLE (rows int, result text) LANGUAGE plpgsql AS $$
BEGIN
    FOREACH rows IN ARRAY wanted LOOP
        BEGIN
            EXECUTE 'SELECT count(*) FROM (' || query || ' LIMIT ' || rows || ') AS q' INTO result;
        EXCEPTION WHEN division_by_zero OR program_limit_exceeded THEN result := SQLERRM;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM pf_failing($$SELECT id FROM pf_fail WHERE 10 / (id - 7) >= -10 AND infer.similarity('pf', body, 'x') < 2$$, '{1,2,5,6,7}');
SELECT * FROM pf_failing($$SELECT part FROM (SELECT 10 / (id - 7) AS part, body FROM pf_fail OFFSET 0) AS d WHERE infer.similarity('pf', body, part::text) < 2$$, '{5,6,7}');
SELECT * FROM pf_failing($$SELECT id FROM pf_fail WHERE infer.similarity('pf', infer.similarity('pf', repeat(body, times), 'x')::text, 'y') < 2$$, '{5,6,7}');
SELECT * FROM pf_failing($$SELECT id FROM pf_fail WHERE pf_in_plpgsql(id) > -100 AND infer.similarity('pf', body, 'x') < 2$$, '{5,6,7}');
SELECT * FROM pf_failing($$SELECT id FROM pf_fail WHERE pf_in_sql(id) > -100 AND infer.similarity('pf', body, 'x') < 2$$, '{5,6,7}');
SELECT * FROM pf_failing($$SELECT a.id FROM pf_fail a JOIN pf_fail b ON a.id = b.id AND 10 / (a.id - 7) + b.id / (b.id - 7) > -100 WHERE infer.similarity('pf', a.body, b.id::text) < 2$$, '{5,6,7}');
SELECT id, (SELECT b.id FROM pf_fail b WHERE b.id >= a.id AND 10 / (b.id - 7) >= -10 AND infer.similarity('pf', b.body, a.body) < 2 LIMIT 1) AS next FROM pf_fail a WHERE id IN (1, 5, 6);
SELECT id, (SELECT b.id FROM pf_fail b WHERE b.id >= a.id AND 10 / (b.id - 7) >= -10 AND infer.similarity('pf', b.body, a.body) < 2 LIMIT 1) AS next FROM pf_fail a WHERE id IN (1, 7);
SELECT pf_explain('ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF', $$SELECT id FROM pf_fail WHERE 10 / (id - 7) >= -10 AND infer.similarity('pf', body, 'x') < 2 LIMIT 5$$);
SELECT bool_or(line ~ 'rows=6 loops=1') AS with_clocks FROM pf_explain('ANALYZE, COSTS OFF', $$SELECT id FROM pf_fail WHERE 10 / (id - 7) >= -10 AND infer.similarity('pf', body, 'x') < 2 LIMIT 5$$) AS line;
BEGIN;
DECLARE pf_ahead CURSOR FOR SELECT id FROM pf_fail WHERE pf_in_plpgsql(id) > -100 AND infer.similarity('pf', body, 'x') < 2;
FETCH 3 FROM pf_ahead;
MOVE 3 IN pf_ahead;
SAVEPOINT pf_before;
FETCH 1 FROM pf_ahead;
ROLLBACK TO pf_before;
FETCH 1 FROM pf_ahead;
COMMIT;
BEGIN;
DECLARE pf_hold CURSOR WITH HOLD FOR SELECT id FROM pf_fail WHERE 10 / (id - 7) >= -10 AND infer.similarity('pf', body, 'x') < 2;
FETCH 1 FROM pf_hold;
COMMIT;
DO $$
DECLARE
    n int := 0;
    found record;
BEGIN
    BEGIN
        FOR found IN SELECT id FROM pf_fail WHERE 10 / (id - 7) >= -10 AND infer.similarity('pf', body, 'x') < 2 LOOP
            n := n + 1;
        END LOOP;
    EXCEPTION WHEN division_by_zero THEN RAISE NOTICE '% rows, then %', n, SQLERRM;
    END;
    FOR found IN SELECT id FROM pf_fail WHERE pf_in_plpgsql(id) >= -10 AND infer.similarity('pf', body, 'x') < 2 LOOP
        BEGIN
            PERFORM 1 / (found.id - 3);
        EXCEPTION WHEN division_by_zero THEN RAISE NOTICE 'row %', found.id;
        END;
        EXIT WHEN found.id = 5;
    END LOOP;
END $$;
-- rows that are larger than work_mem
SET work_mem = '64kB';
SELECT count(*), sum(length(wide)) FROM (SELECT id, body, repeat(body, 1000 * (id % 3)) AS wide FROM pf_fail OFFSET 0) AS d WHERE infer.similarity('pf', body, 'x') < 2;
RESET work_mem;
DROP FUNCTION pf_in_plpgsql, pf_in_sql, pf_failing;
DROP TABLE pf_fail;
-- an argument may make calls itself, while others of its batch are collected
CREATE FUNCTION pf_again(input text) RETURNS text STABLE LANGUAGE plpgsql AS $$
BEGIN
    PERFORM infer.similarity('pf', input, 'x');
    RETURN input || '!';
END $$;
CREATE TABLE pf_nested AS SELECT body, infer.similarity('pf', body, 'x'), infer.similarity('pf', pf_again(body), 'x') AS again FROM pf_docs WHERE id > 55;
SET pg_infer.prefetch = off;
SELECT count(*) FILTER (WHERE again IS DISTINCT FROM infer.similarity('pf', body || '!', 'x')) AS wrong, count(*) > 40 AS many FROM pf_nested;
RESET pg_infer.prefetch;
DROP TABLE pf_nested;
DROP FUNCTION pf_again;
-- rights are looked at where a call is made
CREATE ROLE regress_pf;
GRANT SELECT ON pf_docs TO regress_pf;
GRANT USAGE ON SCHEMA infer TO regress_pf;
SET ROLE regress_pf;
SELECT count(infer.similarity('pf', body, 'x')) FROM pf_docs WHERE false;
SELECT count(infer.similarity('pf', body, 'x')) FROM pf_docs WHERE id < 0 AND infer.similarity('pf', body, 'x') > 0;
SELECT count(infer.similarity('pf', body, 'x')) FROM pf_docs WHERE id < 3;
RESET ROLE;
-- and are those of the session again after a function that runs with others, or with other settings
ALTER FUNCTION infer.similarity SECURITY DEFINER;
SET ROLE regress_pf;
SELECT pf_explain('COSTS OFF', $$SELECT infer.similarity('pf', body, 'x') FROM pf_docs$$);
SELECT count(infer.similarity('pf', body, 'x')) FROM pf_docs WHERE id BETWEEN 1 AND 3;
SELECT current_user;
RESET ROLE;
ALTER FUNCTION infer.similarity SECURITY INVOKER SET work_mem = '77MB';
SELECT count(infer.similarity('pf', body, 'x')) FROM pf_docs WHERE id BETWEEN 1 AND 3;
SHOW work_mem;
ALTER FUNCTION infer.similarity RESET ALL;
DROP OWNED BY regress_pf;
DROP ROLE regress_pf;

DROP MATERIALIZED VIEW pf_view;
DROP TABLE pf_docs, pf_new;
DROP FUNCTION pf_explain;
SELECT infer.drop_model('pf'), infer.drop_model('pf_tag');

-- costs follow a model's size and the texts' width, rows the arguments
SELECT infer.create_model('pf', :'tiny') IS NOT NULL AND infer.create_model('pf_tag', :'tag') IS NOT NULL AS created;
CREATE TABLE pf_wide AS SELECT repeat('word ', 200) AS wide, 'word' AS narrow FROM generate_series(1, 100);
ANALYZE pf_wide;
CREATE FUNCTION pf_estimate(query text, what text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> what;
END $$;
SELECT pf_estimate($$SELECT infer.embed('pf', wide) FROM pf_wide$$, 'Total Cost') > 20 * pf_estimate($$SELECT infer.embed('pf', narrow) FROM pf_wide$$, 'Total Cost') AS by_width,
       pf_estimate($$SELECT infer.embed('pf', narrow) FROM pf_wide$$, 'Total Cost') > 1.001 * pf_estimate($$SELECT narrow FROM pf_wide$$, 'Total Cost') AS costs;
SELECT pf_estimate($$SELECT * FROM infer.embed_many('pf', '{a,b,c}')$$, 'Plan Rows') AS embed_many,
       pf_estimate($$SELECT * FROM infer.tag('pf_tag', repeat('word ', 18))$$, 'Plan Rows') AS tag,
       pf_estimate($$SELECT * FROM infer.zero_shot('pf', 'x', '{a,b,c,d}')$$, 'Plan Rows') AS zero_shot,
       pf_estimate($$SELECT * FROM infer.rerank('pf', 'x', '{a,b,c,d}', 2)$$, 'Plan Rows') AS rerank;
DROP TABLE pf_wide;
DROP FUNCTION pf_estimate;
SELECT infer.drop_model('pf'), infer.drop_model('pf_tag');

-- rows that are classified when they come, all of a statement together
\set class :srcdir '/test/reference/pipelines/classify-bert'
SELECT infer.create_model('pf', :'class') IS NOT NULL AS created;
CREATE TABLE pf_mail (id int PRIMARY KEY, "the body" text, label text);
SELECT infer.classify_on_insert('pf_mail', 'the body', 'pf', 'label');
SELECT infer.stat_reset();
INSERT INTO pf_mail SELECT id, 'the cat of ' || id FROM generate_series(1, 20) AS id;
COPY pf_mail (id, "the body") FROM STDIN;
21	a dog
22	\N
23	the cat sat
\.
SELECT requests < 23 AS batched, items >= 22 AS computed FROM infer.stat_models WHERE name = 'pf';
SELECT count(*), count(label), count(*) FILTER (WHERE label = infer.classify('pf', "the body")) AS same FROM pf_mail;
INSERT INTO pf_mail VALUES (1, 'x') ON CONFLICT DO NOTHING;
SELECT infer.classify_on_insert('pf_mail', 'the body', 'pf', 'label');
SELECT infer.classify_on_insert('pf_mail', 'nothing', 'pf', 'label');
SELECT infer.classify_on_insert('pg_class', 'relname', 'nobody', 'relname');
SELECT infer.drop_classify_on_insert('pf_mail', 'label');
INSERT INTO pf_mail VALUES (30, 'x');
SELECT label IS NULL AS no_label FROM pf_mail WHERE id = 30;
SELECT infer.drop_classify_on_insert('pf_mail', 'label');
ALTER TABLE pf_mail DROP CONSTRAINT pf_mail_pkey;
SELECT infer.classify_on_insert('pf_mail', 'the body', 'pf', 'label');
DROP TABLE pf_mail;
SELECT infer.drop_model('pf');
