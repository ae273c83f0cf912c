-- Queries drawn from a grammar give the same rows, or the same error, whether calls are computed ahead or not; and
-- statements that change tables leave the same in them.
\set ON_ERROR_STOP on
\set QUIET on
\set tiny `pwd` '/test/models/tiny-bert'
\set folder `pwd` '/test/reference/pipelines/'
\set classify :folder 'classify-bert'
\set multi :folder 'classify-bert-multi'
\set score :folder 'score-bert'
\set choose :folder 'choose-bert'
\set answer :folder 'answer-bert'
\set tag :folder 'tag-bert'
\set mask :folder 'mask-bert'
\set causal :folder 'causal-opt'
SET client_min_messages = warning;
BEGIN;
SELECT infer.create_model('pf_embed', :'tiny', '{"max_length": 24}'), infer.create_model('pf_class', :'classify', '{"max_length": 24}'),
       infer.create_model('pf_multi', :'multi'), infer.create_model('pf_score', :'score'), infer.create_model('pf_choose', :'choose'),
       infer.create_model('pf_answer', :'answer'), infer.create_model('pf_tag', :'tag'), infer.create_model('pf_mask', :'mask'),
       infer.create_model('pf_causal', :'causal') \g /dev/null

CREATE TABLE docs AS
    SELECT id, id % 5 AS grp,
           CASE WHEN id % 11 = 3 THEN NULL WHEN id = 37 THEN repeat('the cat sat on the mat ', 9)
                WHEN id % 4 = 0 THEN 'the cat sat' ELSE 'a dog of ' || id || ' words, and more' END AS body,
           CASE WHEN id % 7 = 2 THEN NULL ELSE 'Extra ' || chr(96 + id % 26) END AS extra
    FROM generate_series(1, 45) AS id;
CREATE TABLE others AS SELECT g AS grp, 'other ' || g AS note, g * 0.1 AS least FROM generate_series(0, 3) AS g;
CREATE TABLE parts (LIKE docs) PARTITION BY LIST (grp);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN (0, 1);
CREATE TABLE parts_b PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT * FROM docs;
CREATE INDEX ON docs (id);
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM docs WHERE infer.classify('pf_class', body, truncate => 'end') <> 'LABEL_0' AND id < 40;
CREATE FUNCTION pg_temp.inlined(input text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT infer.classify('pf_class', input, truncate => 'end') $$;
CREATE FUNCTION pg_temp.planned(input text) RETURNS bigint STABLE LANGUAGE plpgsql AS $$
    BEGIN RETURN (SELECT count(infer.score('pf_score', body, input)) FROM docs WHERE id < 6); END $$;
ANALYZE docs;

CREATE FUNCTION pg_temp.one_of(VARIADIC choices text[]) RETURNS text VOLATILE LANGUAGE sql AS
    $$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

-- texts: most of them fine, some NULL, some that fail for some rows
CREATE FUNCTION pg_temp.a_text(depth int) RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * CASE WHEN depth > 0 THEN 18 ELSE 14 END)::int
        WHEN 0 THEN 'd.body' WHEN 1 THEN 'd.body' WHEN 2 THEN 'd.extra' WHEN 3 THEN '''a constant'''
        WHEN 4 THEN 'd.body || '' '' || coalesce(d.extra, ''none'')' WHEN 5 THEN 'upper(d.body)' WHEN 6 THEN 'left(d.body, 6)'
        WHEN 7 THEN 'substr(d.body, 1, d.id - 2)' WHEN 8 THEN '(100 / (d.id - 30))::text || d.extra' WHEN 9 THEN 'd.id::text'
        WHEN 10 THEN 'CASE WHEN d.id % 2 = 0 THEN d.body ELSE d.extra END' WHEN 11 THEN 'NULL::text'
        WHEN 12 THEN 'd.body' WHEN 13 THEN 'concat_ws('' '', d.extra, d.body)'
        WHEN 14 THEN pg_temp.a_label(depth - 1) WHEN 15 THEN 'pg_temp.inlined(' || pg_temp.a_text(depth - 1) || ')'
        WHEN 16 THEN 'infer.generate(''pf_causal'', left(' || pg_temp.a_text(0) || ', 20), 3, seed => d.id)'
        ELSE 'infer.answer(''pf_answer'', ''who sat?'', ' || pg_temp.a_text(0) || ')' END;
END $$;
CREATE FUNCTION pg_temp.a_label(depth int) RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN format('infer.classify(''pf_class'', %s%s)', pg_temp.a_text(depth), pg_temp.one_of(', truncate => ''end''', ', truncate => ''end''', ''));
END $$;
CREATE FUNCTION pg_temp.a_number(depth int) RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * 6)::int
        WHEN 0 THEN format('infer.similarity(''pf_embed'', left(%s, 40), %s)', pg_temp.a_text(depth), pg_temp.one_of('''the cat''', 'd.extra'))
        WHEN 1 THEN format('(infer.embed(''pf_embed'', %s, truncate => ''end''))[%s]', pg_temp.a_text(depth), pg_temp.one_of('1', '2', 'd.grp + 1'))
        WHEN 2 THEN format('infer.score(''pf_score'', %s, %s)', pg_temp.a_text(depth), pg_temp.one_of('NULL', 'd.extra'))
        WHEN 3 THEN format('infer.choose(''pf_choose'', %s, ARRAY[''a cat'', coalesce(d.extra, ''x'')])', pg_temp.a_text(0))
        WHEN 4 THEN format('cardinality(infer.classify_labels(''pf_multi'', %s))', pg_temp.a_text(depth))
        ELSE format('length(%s)', pg_temp.a_label(depth)) END;
END $$;
CREATE FUNCTION pg_temp.failing(wanted int) RETURNS bigint STABLE COST 1 LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT count(*) + sum(1 / (id - 27)) FROM docs WHERE id = wanted);
END $$;
CREATE FUNCTION pg_temp.a_filter(depth int) RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * CASE WHEN depth > 0 THEN 13 ELSE 8 END)::int
        WHEN 0 THEN pg_temp.a_label(0) || ' = ''LABEL_1''' WHEN 1 THEN pg_temp.a_number(0) || ' > 0.05' WHEN 2 THEN 'd.id < 29'
        WHEN 3 THEN 'd.id % 3 = 1' WHEN 4 THEN pg_temp.a_label(0) || ' IS NOT NULL' WHEN 5 THEN 'd.id < 30' WHEN 6 THEN 'd.grp > 0'
        WHEN 7 THEN pg_temp.one_of('100 / (d.id - 31) <> 7', 'pg_temp.failing(d.id) > 0', 'd.id <> 5', 'd.grp < 4')
        WHEN 8 THEN format('(%s OR %s)', pg_temp.a_filter(depth - 1), pg_temp.a_filter(depth - 1))
        WHEN 9 THEN format('NOT (%s)', pg_temp.a_filter(depth - 1))
        WHEN 10 THEN format('CASE WHEN %s THEN %s ELSE %s END', pg_temp.a_filter(0), pg_temp.a_filter(depth - 1), pg_temp.a_filter(0))
        WHEN 11 THEN format('coalesce(%s, %s)', pg_temp.a_filter(0), pg_temp.a_filter(0))
        ELSE format('(%s AND %s)', pg_temp.a_filter(depth - 1), pg_temp.a_filter(depth - 1)) END;
END $$;
CREATE FUNCTION pg_temp.filters() RETURNS text VOLATILE LANGUAGE sql AS
    $$ SELECT pg_temp.one_of('', ' WHERE ' || pg_temp.a_filter(2), ' WHERE d.id < 28 AND ' || pg_temp.a_filter(1), ' WHERE ' || pg_temp.a_filter(1) || ' AND ' || pg_temp.a_filter(1)) $$;
CREATE FUNCTION pg_temp.an_expression() RETURNS text VOLATILE LANGUAGE sql AS
    $$ SELECT pg_temp.one_of(pg_temp.a_number(1), pg_temp.a_label(1), pg_temp.a_number(2), 'd.id', 'd.body',
                             format('CASE WHEN %s THEN %s END', pg_temp.a_filter(0), pg_temp.a_label(0)),
                             format('coalesce(%s, %s)', pg_temp.a_label(0), pg_temp.a_label(0)), format('ROW(%s, %s)', pg_temp.a_label(0), pg_temp.a_number(0))) $$;
CREATE FUNCTION pg_temp.a_tail() RETURNS text VOLATILE LANGUAGE sql AS
    $$ SELECT pg_temp.one_of('', '', ' LIMIT 1', ' LIMIT 7', ' LIMIT 5 OFFSET 9', ' ORDER BY d.id', ' ORDER BY d.id DESC LIMIT 4',
                             ' ORDER BY ' || pg_temp.a_number(0) || ', d.id LIMIT 6', ' ORDER BY ' || pg_temp.a_label(0) || ', d.id') $$;
CREATE FUNCTION pg_temp.a_set() RETURNS text VOLATILE LANGUAGE sql AS
    $$ SELECT pg_temp.one_of('infer.tag(''pf_tag'', ' || pg_temp.a_text(0) || ')', 'infer.classify_scores(''pf_class'', ' || pg_temp.a_text(0) || ', truncate => ''end'')',
                             'infer.fill_mask(''pf_mask'', ''the [MASK] of '' || left(' || pg_temp.a_text(0) || ', 9), top_k => 2)',
                             'infer.answers(''pf_answer'', ''who?'', ' || pg_temp.a_text(0) || ', top_k => 2)',
                             'infer.generate_many(''pf_causal'', left(' || pg_temp.a_text(0) || ', 15), 3, num_beams => 2, num_return_sequences => 2)') $$;

CREATE FUNCTION pg_temp.a_query() RETURNS text VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    e text := pg_temp.an_expression();
    f text := pg_temp.an_expression();
    n text := pg_temp.a_number(1);
    w text := pg_temp.filters();
    tail text := pg_temp.a_tail();
    source text := pg_temp.one_of('docs d', 'docs d', 'parts d', 'barrier d', '(SELECT * FROM docs OFFSET 0) d', '(SELECT id, 90 / (id - 32) AS grp, body, extra FROM docs OFFSET 0) d', '(VALUES (1, 2, ''the cat'', ''x''), (2, 3, NULL, ''dog'')) AS d(id, grp, body, extra)',
                                  '(SELECT id, grp, body, extra FROM docs UNION ALL SELECT id + 100, grp, extra, body FROM docs WHERE id < 9) d');
BEGIN
    RETURN CASE floor(random() * 20)::int
        WHEN 0 THEN format('SELECT d.grp, count(*), max(%s), string_agg(%s, '','' ORDER BY d.id) FROM %s%s GROUP BY d.grp ORDER BY 1', n, pg_temp.a_label(1), source, w)
        WHEN 1 THEN format('SELECT d.grp, count(%s) FROM %s%s GROUP BY d.grp HAVING infer.classify(''pf_class'', min(left(d.body, 20))) <> ''x'' ORDER BY 1', n, source, w)
        WHEN 2 THEN format('SELECT %s AS key, count(*) FROM %s%s GROUP BY 1 ORDER BY 1', pg_temp.a_label(1), source, w)
        WHEN 3 THEN format('SELECT d.id, o.note, %s FROM %s JOIN others o ON o.grp = d.grp AND %s > o.least%s', e, source, n, w)
        WHEN 4 THEN format('SELECT d.id, o.note, %s FROM %s LEFT JOIN others o ON o.grp = d.grp AND %s%s', e, source, pg_temp.a_filter(0), w)
        WHEN 5 THEN format('SELECT d.id, o.note FROM %s JOIN others o ON infer.classify(''pf_class'', d.body, truncate => ''end'') = ''LABEL_'' || o.grp%s', source, w)
        WHEN 6 THEN format('SELECT d.id, s.* FROM %s, %s AS s%s', source, pg_temp.a_set(), w)
        WHEN 7 THEN format('SELECT d.id, s.* FROM %s LEFT JOIN LATERAL %s AS s ON true%s', source, pg_temp.a_set(), w)
        WHEN 8 THEN format('SELECT d.id, %s FROM %s%s', pg_temp.a_set(), source, w)
        WHEN 9 THEN format('SELECT d.id, sum(%s) OVER (ORDER BY d.id ROWS 2 PRECEDING), %s FROM %s%s', n, e, source, w)
        WHEN 10 THEN format('WITH c AS MATERIALIZED (SELECT d.id, %s AS v FROM %s%s) SELECT * FROM c a JOIN c b ON a.id = b.id + 1', e, source, w)
        WHEN 11 THEN format('WITH RECURSIVE r(id, grp, body, extra) AS (SELECT * FROM docs WHERE id = 1 UNION ALL SELECT d.id, d.grp, d.body, %s FROM docs d JOIN r ON d.id = r.id + 1 WHERE d.id < 9) SELECT d.id, %s FROM r d%s', pg_temp.a_label(1), n, w)
        WHEN 12 THEN format('SELECT d.id, (SELECT %s FROM others o WHERE o.grp = d.grp) FROM %s%s', e, source, w)
        WHEN 13 THEN format('SELECT o.grp, (SELECT count(*) FROM docs d WHERE d.grp = o.grp AND %s) FROM others o', pg_temp.a_filter(1))
        WHEN 14 THEN format('SELECT DISTINCT %s FROM %s%s', pg_temp.a_label(1), source, w)
        WHEN 15 THEN format('SELECT d.id, pg_temp.planned(d.extra), %s FROM %s%s', e, source, ' WHERE d.id < 4')
        WHEN 16 THEN format('SELECT d.id, %s, %s FROM %s%s%s', e, f, source, w, tail)
        WHEN 17 THEN format('SELECT d.id, d.body FROM docs d WHERE EXISTS (SELECT 1 FROM others o WHERE o.grp = d.grp AND %s)', pg_temp.a_filter(1))
        WHEN 18 THEN format('SELECT d.id, nextval(''pf_sequence'') IS NOT NULL, %s FROM %s%s%s', e, source, w, tail)
        ELSE format('SELECT d.id, %s FROM %s%s%s', e, source, w, tail) END;
END $$;
CREATE SEQUENCE pf_sequence;

-- statements, and what they change: columns that are computed and checked, partitions with other columns, triggers
CREATE TABLE changed (
    gone int, near real, label text GENERATED ALWAYS AS (infer.classify('pf_class', body, truncate => 'end')) STORED,
    body text, extra text, grp int, id int PRIMARY KEY, made serial,
    CONSTRAINT near CHECK (grp <> 2 OR infer.similarity('pf_embed', left(extra, 9), 'x') < 2));
ALTER TABLE changed DROP COLUMN gone;
CREATE INDEX ON changed (infer.score('pf_score', left(body, 20), NULL)) WHERE id % 2 = 0;
CREATE TABLE changed_parts (
    id int, body text, near real, extra text, grp int,
    label text GENERATED ALWAYS AS (infer.classify('pf_class', left(body, 30))) STORED) PARTITION BY RANGE (grp);
CREATE TABLE changed_low (
    gone int, label text GENERATED ALWAYS AS (infer.classify('pf_class', left(body, 30))) STORED,
    grp int, extra text, id int, body text, near real);
ALTER TABLE changed_low DROP COLUMN gone;
ALTER TABLE changed_parts ATTACH PARTITION changed_low FOR VALUES FROM (MINVALUE) TO (2);
CREATE TABLE changed_high PARTITION OF changed_parts FOR VALUES FROM (2) TO (MAXVALUE);
CREATE TABLE triggered (LIKE changed INCLUDING ALL);
CREATE FUNCTION pg_temp.change_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.id % 5 = 0 THEN
        new.body := new.body || '?';
    END IF;
    RETURN CASE WHEN new.id % 6 > 0 THEN new END;
END $$;
CREATE TRIGGER change_row BEFORE INSERT OR UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION pg_temp.change_row();
INSERT INTO changed (id, grp, body, extra) SELECT id, grp, body, extra FROM docs WHERE id < 30;
INSERT INTO changed_parts (id, grp, body, extra) SELECT id, grp, body, extra FROM docs WHERE id < 30;
INSERT INTO triggered (id, grp, body, extra) SELECT id, grp, body, extra FROM docs WHERE id < 30;
ANALYZE changed, changed_parts, triggered;
CREATE FUNCTION pg_temp.a_change() RETURNS text VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    target text := pg_temp.one_of('changed', 'changed', 'changed_parts', 'triggered');
    keyed text := pg_temp.one_of('changed', 'triggered');
    returned text := format(' RETURNING d.id, d.label, %s, %s', pg_temp.an_expression(), pg_temp.a_number(1));
    inserted text := format('(id, grp, body, extra, near) SELECT d.id + %s, d.grp, %s, %s, %s FROM docs d%s%s', pg_temp.one_of('0', '20', '100'), pg_temp.a_text(1),
                            pg_temp.one_of('d.extra', 'd.body', 'd.extra || d.id'), pg_temp.one_of('NULL', pg_temp.a_number(0)), pg_temp.filters(), pg_temp.a_tail());
    w text := pg_temp.filters();
BEGIN
    RETURN CASE floor(random() * 12)::int
        WHEN 0 THEN format('INSERT INTO %s AS d %s%s', pg_temp.one_of('changed_parts', target), inserted, returned)
        WHEN 1 THEN format('INSERT INTO %s AS d (id, body, grp) VALUES (101, ''a cat'', 1), (102, NULL, 2), (103, ''a dog'', 7)%s', target, returned)
        WHEN 2 THEN format('INSERT INTO %s AS d %s ON CONFLICT (id) DO UPDATE SET near = infer.similarity(''pf_embed'', left(excluded.body, 20), left(d.body, 20)), extra = excluded.body%s%s', keyed, inserted, pg_temp.one_of('', ' WHERE ' || pg_temp.a_filter(1)), returned)
        WHEN 3 THEN format('INSERT INTO %s AS d %s ON CONFLICT (id) DO UPDATE SET body = %s%s', keyed, inserted, pg_temp.a_text(1), returned)
        WHEN 4 THEN format('INSERT INTO %s AS d %s ON CONFLICT %sDO NOTHING%s', keyed, inserted, pg_temp.one_of('', '(id) '), returned)
        WHEN 5 THEN format('UPDATE %s d SET body = %s, near = %s%s%s', target, pg_temp.a_text(1), pg_temp.a_number(0), w, returned)
        WHEN 6 THEN format('UPDATE %s d SET grp = d.grp + 1, extra = coalesce(d.extra, ''x'')%s%s', target, w, returned)
        WHEN 7 THEN format('UPDATE %s d SET near = o.least, body = coalesce(d.extra, o.note) FROM others o WHERE o.grp = d.grp AND %s%s', target, pg_temp.a_filter(1), returned)
        WHEN 8 THEN format('DELETE FROM %s d%s%s', target, w, returned)
        WHEN 9 THEN format('WITH changes AS (UPDATE %s d SET body = %s%s RETURNING *) SELECT d.id, %s FROM changes d', target, pg_temp.a_text(0), w, pg_temp.an_expression())
        ELSE format('MERGE INTO %s t USING docs d ON t.id = d.id WHEN MATCHED AND %s THEN UPDATE SET near = %s, body = %s WHEN MATCHED AND infer.classify(''pf_class'', left(t.body, 20)) = ''LABEL_1'' THEN DELETE WHEN MATCHED AND t.id < 9 THEN UPDATE SET extra = %s WHEN NOT MATCHED AND %s THEN INSERT (id, grp, body, extra, near) VALUES (d.id, d.grp, %s, d.extra, %s)',
                    target, pg_temp.a_filter(1), pg_temp.a_number(0), pg_temp.a_text(0), pg_temp.a_text(1), pg_temp.a_filter(0), pg_temp.a_text(1), pg_temp.a_number(0)) END;
END $$;

-- Several shapes of plans.  Only rows that come in an order of their own, all of them, may be made by workers.
CREATE FUNCTION pg_temp.in_parallel(n int, query text) RETURNS boolean LANGUAGE sql AS $$ SELECT n % 6 = 0 AND query !~ 'LIMIT' $$;
CREATE FUNCTION pg_temp.settings(n int, query text) RETURNS void LANGUAGE sql AS $$
    SELECT set_config('enable_hashjoin', (n % 4 <> 1)::text, true), set_config('enable_nestloop', (n % 4 <> 2)::text, true),
           set_config('enable_mergejoin', (n % 4 <> 3)::text, true), set_config('enable_hashagg', (n % 3 <> 0)::text, true),
           set_config('enable_memoize', (n % 3 <> 1)::text, true), set_config('enable_seqscan', (n % 7 <> 1)::text, true),
           set_config('max_parallel_workers_per_gather', pg_temp.in_parallel(n, query)::int::text, true),
           set_config('parallel_setup_cost', '0', true), set_config('parallel_tuple_cost', '0', true),
           set_config('min_parallel_table_scan_size', '0', true), set_config('pg_infer.prefetch_rows', (ARRAY['256', '1', '3', '20'])[1 + n % 4], true);
$$;

-- what a query gives: its rows, or its error
CREATE FUNCTION pg_temp.outcome(n int, query text, prefetch text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text[] := '{}';
    r record;
BEGIN
    PERFORM set_config('pg_infer.prefetch', prefetch, true), pg_temp.settings(n, query);
    BEGIN
        IF query LIKE 'MERGE%' THEN
            EXECUTE query;
        ELSE
            FOR r IN EXECUTE query LOOP
                result := result || r::text;
            END LOOP;
        END IF;
        IF query ~ '^(INSERT|UPDATE|DELETE|WITH changes|MERGE)' THEN
            -- without the numbers of rows, which are not taken back
            result := result || ARRAY(
                SELECT c::text FROM (SELECT id, grp, body, extra, near, label FROM changed UNION ALL SELECT id, grp, body, extra, near, label FROM changed_parts
                                     UNION ALL SELECT id, grp, body, extra, near, label FROM triggered) AS c ORDER BY 1);
            RAISE SQLSTATE 'PF000';
        END IF;
    EXCEPTION WHEN SQLSTATE 'PF000' THEN
        NULL;
    WHEN OTHERS THEN
        -- workers may come to another row first
        RETURN 'error: ' || CASE WHEN pg_temp.in_parallel(n, query) THEN '' ELSE SQLSTATE || ' ' || SQLERRM END;
    END;
    IF pg_temp.in_parallel(n, query) THEN
        result := ARRAY(SELECT unnest(result) AS r ORDER BY r);
    END IF;
    RETURN result::text;
END $$;
CREATE FUNCTION pg_temp.plan_of(n int, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text := '';
    line text;
BEGIN
    PERFORM set_config('pg_infer.prefetch', 'on', true), pg_temp.settings(n, query);
    FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
        result := result || line || E'\n';
    END LOOP;
    RETURN result;
END $$;

SELECT setseed(0.4711) \g /dev/null
CREATE TEMP TABLE queries (n int PRIMARY KEY, query text);
INSERT INTO queries SELECT n, pg_temp.a_query() FROM generate_series(1, 600) AS n;
INSERT INTO queries SELECT n, pg_temp.a_change() FROM generate_series(601, 900) AS n;
CREATE TEMP TABLE outcomes AS
    SELECT n, query, pg_temp.outcome(n, query, 'off') AS plain, pg_temp.outcome(n, query, 'on') AS ahead, pg_temp.plan_of(n, query) AS plan
    FROM queries;

SELECT plan(900 + 12);
SELECT is(ahead, plain, 'query ' || n || ': ' || left(query, 100)) FROM outcomes ORDER BY n;
SELECT cmp_ok(count(*) FILTER (WHERE plan LIKE '%InferLookahead%'), '>=', 400::bigint, 'most of them look ahead') FROM outcomes;
SELECT cmp_ok(count(*) FILTER (WHERE plain LIKE 'error%'), '<=', 250::bigint, 'not too many fail') FROM outcomes;
SELECT cmp_ok(count(*) FILTER (WHERE plain LIKE 'error%'), '>=', 50::bigint, 'but some do') FROM outcomes;
SELECT cmp_ok(count(*) FILTER (WHERE plain = '{}'), '<=', 150::bigint, 'few are empty') FROM outcomes;
SELECT cmp_ok(count(*) FILTER (WHERE plan LIKE '%InferLookahead%' AND plan LIKE '%' || node || '%'), '>=', least::bigint, 'beside ' || node)
FROM outcomes, (VALUES ('Gather', 10), ('Insert on', 50), ('Merge on', 30), ('Hash Join', 20), ('Merge Join', 10), ('Nested Loop', 40), ('ProjectSet', 10), ('WindowAgg', 10)) AS v(node, least)
GROUP BY node, least;
SELECT * FROM finish();
ROLLBACK;
