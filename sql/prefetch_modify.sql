-- Looking ahead for what INSERT, UPDATE, DELETE and MERGE evaluate themselves.
\getenv srcdir PG_ABS_SRCDIR
\set tiny :srcdir '/test/models/tiny-bert'
SELECT infer.create_model('pm', :'tiny') IS NOT NULL AS created;
CREATE TABLE pm_source (id int PRIMARY KEY, body text);
INSERT INTO pm_source SELECT id, 'cat ' || id FROM generate_series(1, 40) AS id;
CREATE TABLE pm_rows (
    gone int, sim real, near real,
    vec real[] GENERATED ALWAYS AS (infer.embed('pm', body)) STORED,
    body text, id int, n serial,
    CONSTRAINT pm_check CHECK (id <> 50 OR infer.similarity('pm', body, 'checked') < 2));
ALTER TABLE pm_rows DROP COLUMN gone;
INSERT INTO pm_rows (id, body) SELECT id, 'dog ' || id FROM generate_series(1, 20) AS id;
CREATE TABLE pm_parts (
    id int, body text, part int, vec real[] GENERATED ALWAYS AS (infer.embed('pm', body)) STORED) PARTITION BY LIST (part);
CREATE TABLE pm_part0 (
    gone int, part int, vec real[] GENERATED ALWAYS AS (infer.embed('pm', body)) STORED, body text, id int);
ALTER TABLE pm_part0 DROP COLUMN gone;
ALTER TABLE pm_parts ATTACH PARTITION pm_part0 FOR VALUES IN (0);
CREATE TABLE pm_part1 PARTITION OF pm_parts DEFAULT;
INSERT INTO pm_parts SELECT id, 'dog ' || id, id % 2 FROM generate_series(1, 20) AS id;
CREATE TABLE pm_parent (id int, body text);
CREATE TABLE pm_child (body text, more int, id int);
ALTER TABLE pm_child INHERIT pm_parent;
INSERT INTO pm_parent VALUES (1, 'one'), (2, 'two');
INSERT INTO pm_child VALUES ('three', 0, 3), ('four', 0, 4);
ANALYZE pm_source, pm_rows, pm_parts, pm_parent;

-- What a statement leaves in a table and returns, with pg_infer.prefetch on or off; and undoes it.
CREATE FUNCTION pm_result(statement text, changed regclass, prefetch text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    returned text;
    rows text;
BEGIN
    PERFORM set_config('pg_infer.prefetch', prefetch, true), setval('pm_rows_n_seq', 100);
    BEGIN
        IF statement ~ 'RETURNING' THEN
            EXECUTE 'WITH changes AS (' || statement || ') SELECT string_agg(changes::text, e''\n'') FROM changes' INTO returned;
        ELSE
            EXECUTE statement;
        END IF;
        EXECUTE format('SELECT string_agg(t::text, e''\n'' ORDER BY t::text) FROM %s AS t', changed) INTO rows;
        RAISE SQLSTATE 'PM000';
    EXCEPTION WHEN SQLSTATE 'PM000' THEN
        NULL;
    END;
    PERFORM set_config('pg_infer.prefetch', 'on', true);
    RETURN returned || rows;
END $$;
-- What EXPLAIN ANALYZE says of looking ahead for a statement, which is undone, and whether it does the same without.
CREATE FUNCTION pm(statement text, changed regclass DEFAULT 'pm_rows') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    lines text[];
BEGIN
    BEGIN
        FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || statement LOOP
            CONTINUE WHEN line !~ '(Insert|Update|Delete|Merge) on|Custom Scan|Ahead Of|Items|Tuples|Conflict Filter';
            lines := lines || regexp_replace(line, '(rows=\d+)\.\d\d', '\1');
        END LOOP;
        RAISE SQLSTATE 'PM000';
    EXCEPTION WHEN SQLSTATE 'PM000' THEN
        NULL;
    END;
    RETURN QUERY SELECT unnest(lines);
    IF pm_result(statement, changed, 'on') IS DISTINCT FROM pm_result(statement, changed, 'off') THEN
        RETURN NEXT 'DIFFERS without looking ahead';
    END IF;
END $$;

-- MERGE: what is computed is of the actions that are taken: 4 and 1 updates and 10 inserts, of two texts each (some are the same)
SELECT pm($$
    MERGE INTO pm_rows t USING pm_source s ON t.id = s.id
    WHEN MATCHED AND s.id < 5 THEN UPDATE SET near = infer.similarity('pm', s.body, 'a')
    WHEN MATCHED AND t.body = 'dog 7' THEN UPDATE SET near = infer.similarity('pm', t.body, 'b')
    WHEN MATCHED AND s.id = 9 THEN DELETE
    WHEN MATCHED AND s.id > 9 THEN DO NOTHING
    WHEN NOT MATCHED AND s.id > 30 THEN INSERT (id, body, near) VALUES (s.id, s.body, infer.similarity('pm', s.body, 'c'))
$$);
-- calls in a condition, and one behind it; generated columns of what an action assigns, and of what it doesn't
SELECT pm($$
    MERGE INTO pm_rows t USING pm_source s ON t.id = s.id
    WHEN MATCHED AND s.id < 10 AND infer.similarity('pm', t.body, 'a') < 2 THEN UPDATE SET near = 1
    WHEN MATCHED AND s.id > 15 THEN UPDATE SET body = s.body, near = CASE WHEN s.id > 18 THEN infer.similarity('pm', s.body, t.body) END
$$);
SELECT pm($$
    MERGE INTO pm_parts t USING pm_source s ON t.id = s.id
    WHEN MATCHED AND t.body ~ '7$' THEN UPDATE SET body = s.body, part = 1
    WHEN MATCHED AND infer.similarity('pm', t.body, 'a') < 2 THEN DELETE
    WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.body, s.id % 3)
$$, 'pm_parts');
-- conditions that are volatile are not known ahead
SELECT pm($$MERGE INTO pm_rows t USING pm_source s ON t.id = s.id WHEN MATCHED AND random() < 2 THEN UPDATE SET near = infer.similarity('pm', s.body, 'a')$$);

-- generated columns: of all rows that are inserted, and of updates that change what they are of
SELECT pm($$INSERT INTO pm_rows (id, body) SELECT id, body FROM pm_source$$);
SELECT pm($$INSERT INTO pm_rows (id, body) VALUES (1, 'a'), (2, 'b'), (3, DEFAULT), (4, 'a')$$);
SELECT pm($$INSERT INTO pm_rows (id, body) VALUES (1, 'a')$$);
SELECT pm($$INSERT INTO pm_rows (body, id) SELECT body, id FROM pm_source WHERE id < 9 UNION ALL SELECT body || '!', -id FROM pm_source WHERE id < 3$$);
SELECT pm($$INSERT INTO pm_rows (id, body) SELECT id, body FROM pm_source ORDER BY body DESC LIMIT 5$$);
SELECT pm($$INSERT INTO pm_parts SELECT id, body, id % 3 FROM pm_source$$, 'pm_parts');
SELECT pm($$UPDATE pm_rows SET body = body || '!' WHERE id < 10$$);
SELECT pm($$UPDATE pm_rows SET near = 1$$);
SELECT pm($$UPDATE pm_parts SET body = upper(body), part = part + 1$$, 'pm_parts');
SELECT pm($$UPDATE pm_rows r SET body = (SELECT body || '?' FROM pm_source s WHERE s.id = r.id) WHERE id < 5$$);
SELECT pm($$UPDATE pm_rows r SET (near, body) = (SELECT 1, body || '?' FROM pm_source s WHERE s.id = r.id) WHERE id < 5$$);
-- of a text that is itself computed, which comes first
SELECT pm($$INSERT INTO pm_rows (id, body) SELECT id, infer.similarity('pm', body, 'a')::text FROM pm_source WHERE infer.similarity('pm', body, 'b') < 2$$);
-- a text that is volatile, rows whose making is
SELECT pm($$INSERT INTO pm_rows (id, body) SELECT id, body || (CASE WHEN random() < 2 THEN '!' END) FROM pm_source$$);
SELECT pm($$INSERT INTO pm_rows (id, body) SELECT id, body FROM pm_source WHERE random() < 2$$);

-- constraints, views, row security, indexes
SELECT pm($$UPDATE pm_rows SET id = id + 30$$);
CREATE VIEW pm_view AS SELECT id, body FROM pm_parent WHERE infer.similarity('pm', body, 'a') < 2 WITH CHECK OPTION;
SELECT pm($$INSERT INTO pm_view SELECT id, body FROM pm_source WHERE id < 9$$, 'pm_parent');
CREATE TABLE pm_indexed (id int, body text);
CREATE INDEX ON pm_indexed (infer.similarity('pm', body, 'a')) WHERE id > 5;
SELECT pm($$INSERT INTO pm_indexed SELECT id, body FROM pm_source WHERE id < 9$$, 'pm_indexed');
ALTER TABLE pm_indexed ENABLE ROW LEVEL SECURITY;
CREATE POLICY pm_policy ON pm_indexed USING (id < 7) WITH CHECK (infer.similarity('pm', body, 'b') < 2);
CREATE ROLE pm_role;
GRANT ALL ON pm_indexed, pm_source TO pm_role;
GRANT USAGE ON FOREIGN SERVER pm TO pm_role;
GRANT UPDATE ON SEQUENCE pm_rows_n_seq TO pm_role;
SET ROLE pm_role;
SELECT pm($$INSERT INTO pm_indexed SELECT id, body FROM pm_source WHERE id < 9$$, 'pm_indexed');
RESET ROLE;

-- RETURNING: of the row that was written, or the one that was
SELECT pm($$INSERT INTO pm_rows (id, body) SELECT id, body FROM pm_source WHERE id < 9 RETURNING id, infer.similarity('pm', body, id::text)$$);
SELECT pm($$UPDATE pm_rows SET id = id + 1 RETURNING id, infer.similarity('pm', body, id::text)$$);
SELECT pm($$UPDATE pm_rows SET body = s.body || '!' FROM pm_source s WHERE s.id = pm_rows.id AND s.id < 4 RETURNING n, infer.similarity('pm', pm_rows.body, s.body), CASE WHEN pm_rows.id = 2 THEN infer.embed('pm', near::text || 'x') END$$);
SELECT pm($$DELETE FROM pm_rows WHERE id > 15 RETURNING id, infer.similarity('pm', body, near::text || 'x'), (SELECT infer.similarity('pm', body, 'a'))$$);
SELECT pm($$UPDATE pm_parts SET part = part + 1 WHERE id < 5 RETURNING id, infer.similarity('pm', body, part::text)$$, 'pm_parts');
SELECT pm($$UPDATE pm_parent SET id = id + 1 RETURNING id, infer.similarity('pm', body, id::text)$$, 'pm_parent');
SELECT pm($$DELETE FROM pm_parent WHERE id > 1 RETURNING id, infer.similarity('pm', body, id::text)$$, 'pm_parent');
CREATE FUNCTION pm_insert(most int) RETURNS SETOF real LANGUAGE sql AS
    $$INSERT INTO pm_parent SELECT id, body FROM pm_source WHERE id <= most RETURNING infer.similarity('pm', body, 'a')$$;
SELECT count(*) FROM pm_insert(20);
SELECT pm($$SELECT count(*) FROM pm_insert(9)$$, 'pm_parent');

-- ON CONFLICT: generated columns are computed of all rows; the rest is of rows that conflict, or don't
CREATE TABLE pm_unique (
    gone int, id int PRIMARY KEY, word text, body text, near real,
    vec real[] GENERATED ALWAYS AS (infer.embed('pm', body)) STORED, UNIQUE (word, id));
ALTER TABLE pm_unique DROP COLUMN gone;
INSERT INTO pm_unique SELECT id, CASE WHEN id > 2 THEN 'w' END, 'dog ' || id FROM generate_series(1, 20) AS id;
SELECT pm($$INSERT INTO pm_unique AS u (id, body) SELECT id, body FROM pm_source ON CONFLICT (id) DO UPDATE SET near = infer.similarity('pm', excluded.body, u.body), body = excluded.body RETURNING id, infer.similarity('pm', body, 'a')$$, 'pm_unique');
SELECT pm($$INSERT INTO pm_unique AS u (id, body) SELECT id + 15, body FROM pm_source WHERE id < 10 ON CONFLICT (id) DO UPDATE SET near = infer.similarity('pm', u.body, 'a'), body = excluded.body WHERE u.id = excluded.id AND u.id > 17$$, 'pm_unique');
SELECT pm($$INSERT INTO pm_unique (id, word, body) VALUES (3, 'w', 'a'), (4, 'w', 'b'), (21, 'w', 'c'), (22, NULL, 'd') ON CONFLICT (word, id) DO UPDATE SET near = infer.similarity('pm', excluded.body, 'e'), body = excluded.body || '!'$$, 'pm_unique');
SELECT pm($$INSERT INTO pm_unique SELECT id, NULL, body FROM pm_source ON CONFLICT DO NOTHING RETURNING infer.similarity('pm', body, 'a')$$, 'pm_unique');
SELECT pm($$INSERT INTO pm_unique SELECT id, NULL, body FROM pm_source ON CONFLICT (id) DO NOTHING RETURNING infer.similarity('pm', body, 'a')$$, 'pm_unique');
-- a key that is not known ahead
CREATE TABLE pm_serial (id serial PRIMARY KEY, body text, near real);
INSERT INTO pm_serial SELECT id, 'dog ' || id FROM generate_series(1, 20) AS id;
SELECT pm($$INSERT INTO pm_serial (body) SELECT body FROM pm_source WHERE id < 9 ON CONFLICT (id) DO UPDATE SET near = infer.similarity('pm', excluded.body, 'a')$$, 'pm_source');
-- a transaction that is serializable reads nothing but what the statement does
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pm($$INSERT INTO pm_unique (id, body) SELECT id, body FROM pm_source WHERE id < 9 ON CONFLICT (id) DO UPDATE SET near = infer.similarity('pm', excluded.body, 'a'), body = excluded.body$$, 'pm_unique');
COMMIT;
-- indexes on some rows, and policies, are left alone
CREATE UNIQUE INDEX ON pm_indexed (id) WHERE id > 3;
INSERT INTO pm_indexed SELECT * FROM pm_source WHERE id < 7;
SELECT pm($$INSERT INTO pm_indexed SELECT id, body FROM pm_source WHERE id < 9 ON CONFLICT (id) WHERE id > 3 DO UPDATE SET body = infer.similarity('pm', excluded.body, 'e')::text$$, 'pm_indexed');
CREATE UNIQUE INDEX ON pm_indexed (body);
SET ROLE pm_role;
SELECT pm($$INSERT INTO pm_indexed SELECT id, body FROM pm_source WHERE id < 4 ON CONFLICT (body) DO UPDATE SET body = infer.similarity('pm', excluded.body, 'e')::text$$, 'pm_indexed');
RESET ROLE;

-- triggers may change rows, and leave them out
CREATE FUNCTION pm_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.body := new.body || '?';
    RETURN CASE WHEN new.id % 4 > 0 THEN new END;
END $$;
CREATE TRIGGER pm_trigger BEFORE INSERT OR UPDATE ON pm_rows FOR EACH ROW EXECUTE FUNCTION pm_trigger();
SELECT pm($$INSERT INTO pm_rows (id, body) SELECT id, body FROM pm_source WHERE id < 9 RETURNING id, infer.similarity('pm', body, 'a')$$);
SELECT pm($$UPDATE pm_rows SET near = 1 WHERE id < 9 RETURNING id, body, infer.similarity('pm', body, 'a')$$);
-- all are changed: after some batches nothing is looked ahead for
SELECT pm($$INSERT INTO pm_rows (id, body) SELECT id * 4 + 1, body FROM pm_source$$);
-- in vain for some, or for none
SELECT pm($$INSERT INTO pm_rows (id, body) SELECT id, body FROM pm_source RETURNING id, infer.similarity('pm', left(body, 3), 'a')$$);
CREATE FUNCTION pm_instead() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$;
CREATE VIEW pm_no_table AS SELECT id, body FROM pm_source;
CREATE TRIGGER pm_instead INSTEAD OF UPDATE ON pm_no_table FOR EACH ROW EXECUTE FUNCTION pm_instead();
SELECT pm($$UPDATE pm_no_table SET body = body || '!' WHERE id < 9 RETURNING infer.similarity('pm', body, 'a')$$, 'pm_source');

-- what was ahead is what is used: as many texts as were sent ahead, in as many requests
SELECT infer.stat_reset();
MERGE INTO pm_unique u USING pm_source s ON u.id = s.id
WHEN MATCHED THEN UPDATE SET near = infer.similarity('pm', u.body, s.body) WHEN NOT MATCHED THEN INSERT (id, body) VALUES (s.id, s.body);
SELECT requests, items FROM infer.stat_models WHERE name = 'pm';

-- errors come when their rows do: the first one is the constraint's
\set VERBOSITY terse
ALTER TABLE pm_unique ADD CHECK (id <> 41);
INSERT INTO pm_unique (id, body) SELECT id + 40, CASE WHEN id = 2 THEN repeat('cat ', 600) ELSE body END FROM pm_source;
INSERT INTO pm_unique (id, body) SELECT id + 41, CASE WHEN id = 2 THEN repeat('cat ', 600) ELSE body END FROM pm_source;
INSERT INTO pm_unique (id, body) SELECT id + 40, (10 / (id - 2))::text FROM pm_source;

-- functions that are gone since a plan was made, or that nobody has a right to, are no error before they are called
\set VERBOSITY default
CREATE FUNCTION pm_same(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN $1; END$$;
CREATE FUNCTION pm_near(input text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$SELECT infer.similarity('pm', pm_same(input), 'a') < 2$$;
CREATE TABLE pm_checked (id int, body text, CHECK (pm_near(body)));
SET plan_cache_mode = force_generic_plan;
PREPARE pm_checked AS INSERT INTO pm_checked SELECT id, body FROM pm_source WHERE id < $1;
EXECUTE pm_checked(3);
CREATE OR REPLACE FUNCTION pm_near(input text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$SELECT infer.similarity('pm', input, 'a') < 2$$;
DROP FUNCTION pm_same;
EXECUTE pm_checked(3);
-- nor do changes of functions end looking ahead for the session
PREPARE pm_nested AS SELECT infer.similarity('pm', body, infer.similarity('pm', body, 'a')::text) < 2 AS less, count(*) FROM pm_source WHERE infer.similarity('pm', body, 'b') < 2 GROUP BY 1;
EXECUTE pm_nested;
ALTER FUNCTION pm_near COST 200;
SELECT infer.stat_reset();
EXECUTE pm_nested;
SELECT requests < 60 AS batched FROM infer.stat_models WHERE name = 'pm';
RESET plan_cache_mode;
DEALLOCATE ALL;
CREATE FUNCTION pm_secret(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN $1; END$$;
REVOKE EXECUTE ON FUNCTION pm_secret FROM public;
ALTER TABLE pm_checked ADD CHECK (infer.similarity('pm', pm_secret(body), 'a') < 2);
GRANT SELECT ON pm_source TO pm_role;
GRANT INSERT ON pm_checked TO pm_role;
SET ROLE pm_role;
INSERT INTO pm_checked SELECT id, body FROM pm_source WHERE id < 0;
INSERT INTO pm_checked SELECT id, body FROM pm_source;
RESET ROLE;
DROP TABLE pm_checked;
DROP FUNCTION pm_near, pm_secret;

-- a call in thousands of places
DO $$BEGIN
    EXECUTE 'SELECT ARRAY[' || (SELECT string_agg(format('CASE WHEN id = %s THEN infer.similarity(''pm'', body, ''a'') END', i), ',') FROM generate_series(1, 20000) AS i) || '] FROM pm_source WHERE id < 2';
END$$;

DROP FUNCTION pm, pm_result, pm_insert;
DROP VIEW pm_view, pm_no_table;
DROP TABLE pm_source, pm_rows, pm_parts, pm_child, pm_parent, pm_indexed, pm_unique, pm_serial;
DROP FUNCTION pm_trigger, pm_instead;
DROP SERVER pm;
DROP ROLE pm_role;
