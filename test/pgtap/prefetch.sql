-- Queries drawn from a grammar give the same rows, or the same error, whether calls are computed ahead or not; and
-- statements that change tables leave the same in them.
-- Other ones, or more: psql -v seed=0.5 -v queries=5000.
\set ON_ERROR_STOP on
\if :{?seed}
\else
\set seed 0.4711
\endif
\if :{?queries}
\else
\set queries 900
\endif
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
CREATE TABLE targets (id int PRIMARY KEY, body text, label text, near real, size int GENERATED ALWAYS AS (length(label)) STORED);
INSERT INTO targets SELECT id, body FROM docs WHERE id % 2 = 1;
CREATE TABLE secured AS SELECT * FROM docs;
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY odd ON secured USING (id % 2 = 1 AND infer.classify('pf_class', body, truncate => 'end') <> 'LABEL_0');
CREATE ROLE regress_pf;
GRANT SELECT ON secured TO regress_pf;
CREATE VIEW policed AS SELECT * FROM secured;
ALTER VIEW policed OWNER TO regress_pf;
CREATE FUNCTION pg_temp.inlined(input text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT infer.classify('pf_class', input, truncate => 'end') $$;
CREATE FUNCTION pg_temp.planned(input text) RETURNS bigint STABLE LANGUAGE plpgsql AS $$
    BEGIN RETURN (SELECT count(infer.score('pf_score', body, input)) FROM docs WHERE id < 6); END $$;
-- fails for some rows, with errors of its own
CREATE FUNCTION pg_temp.picky(id int, input text) RETURNS text STABLE LANGUAGE plpgsql AS $$
    BEGIN IF id % 13 = 8 THEN RAISE EXCEPTION 'not %', id USING ERRCODE = 'PF000'; END IF; RETURN input; END $$;
CREATE FUNCTION pg_temp.words(input text) RETURNS TABLE (word text, score real) STABLE LANGUAGE sql AS $$ SELECT word, score FROM infer.tag('pf_tag', input) WHERE score > 0.1 $$;
CREATE FUNCTION pg_temp.not_inlined(input text) RETURNS text STABLE LANGUAGE sql SET work_mem = '1MB' AS $$ SELECT infer.classify('pf_class', input, truncate => 'end') $$;
CREATE SEQUENCE pf_sequence;
ANALYZE docs, parts, targets, secured;

CREATE FUNCTION pg_temp.one_of(VARIADIC choices text[]) RETURNS text VOLATILE LANGUAGE sql AS
    $$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

-- texts: most of them fine, some NULL, some that fail for some rows
CREATE FUNCTION pg_temp.a_text(depth int) RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * CASE WHEN depth > 0 THEN 26 ELSE 18 END)::int
        WHEN 0 THEN 'd.body' WHEN 1 THEN 'd.body' WHEN 2 THEN 'd.extra' WHEN 3 THEN '''a constant'''
        WHEN 4 THEN 'd.body || '' '' || coalesce(d.extra, ''none'')' WHEN 5 THEN 'upper(d.body)' WHEN 6 THEN 'left(d.body, 6)'
        WHEN 7 THEN pg_temp.one_of('substr(d.body, 1, d.id - 2)', 'left(d.body, 7)') WHEN 8 THEN pg_temp.one_of('(100 / (d.id - 30))::text || d.extra', 'd.extra || ''!''') WHEN 9 THEN 'd.id::text'
        WHEN 10 THEN 'CASE WHEN d.id % 2 = 0 THEN d.body ELSE d.extra END' WHEN 11 THEN 'NULL::text'
        WHEN 12 THEN 'coalesce(d.extra, d.body)' WHEN 13 THEN 'concat_ws('' '', d.extra, d.body)' WHEN 14 THEN 'nullif(d.extra, ''Extra c'')'
        WHEN 15 THEN 'CASE d.grp WHEN 1 THEN d.body WHEN d.id - 4 THEN ''a mat'' WHEN 3 THEN d.extra END'
        WHEN 16 THEN pg_temp.one_of('pg_temp.picky(d.id, d.extra)', 'left(d.extra, 7)', 'd.body') WHEN 17 THEN '(SELECT o.note FROM others o WHERE o.grp = d.grp)'
        WHEN 18 THEN pg_temp.a_label(depth - 1) WHEN 19 THEN 'pg_temp.inlined(' || pg_temp.a_text(depth - 1) || ')'
        WHEN 20 THEN 'infer.generate(''pf_causal'', left(' || pg_temp.a_text(0) || ', 20), 3, seed => d.id)'
        WHEN 21 THEN 'infer.answer(''pf_answer'', ''who sat?'', ' || pg_temp.a_text(0) || ')'
        WHEN 22 THEN format('CASE WHEN %s THEN %s ELSE %s END', pg_temp.a_filter(0), pg_temp.a_text(depth - 1), pg_temp.a_text(depth - 1))
        WHEN 23 THEN format('coalesce(%s, %s)', pg_temp.a_text(depth - 1), pg_temp.a_text(depth - 1))
        WHEN 24 THEN format('(SELECT %s)', pg_temp.a_text(depth - 1))
        ELSE 'pg_temp.not_inlined(' || pg_temp.a_text(0) || ')' END;
END $$;
CREATE FUNCTION pg_temp.a_label(depth int) RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN format('infer.classify(''pf_class'', %s%s)', pg_temp.a_text(depth), pg_temp.one_of(', truncate => ''end''', ', truncate => ''end''', ', truncate => ''end''', ''));
END $$;
CREATE FUNCTION pg_temp.a_number(depth int) RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * CASE WHEN depth > 0 THEN 16 ELSE 6 END)::int
        WHEN 0 THEN format('infer.similarity(''pf_embed'', left(%s, 40), %s)', pg_temp.a_text(depth), pg_temp.one_of('''the cat''', 'd.extra'))
        WHEN 1 THEN format('(infer.embed(''pf_embed'', %s, truncate => ''end''))[%s]', pg_temp.a_text(depth), pg_temp.one_of('1', '2', 'd.grp + 1'))
        WHEN 2 THEN format('infer.score(''pf_score'', %s, %s)', pg_temp.a_text(depth), pg_temp.one_of('NULL', 'd.extra'))
        WHEN 3 THEN format('infer.choose(''pf_choose'', %s, ARRAY[''a cat'', coalesce(d.extra, ''x'')])', pg_temp.a_text(0))
        WHEN 4 THEN format('cardinality(infer.classify_labels(''pf_multi'', %s))', pg_temp.a_text(depth))
        WHEN 5 THEN format('length(%s)', pg_temp.a_label(depth))
        WHEN 6 THEN format('CASE WHEN %s THEN %s WHEN %s THEN %s ELSE %s END', pg_temp.a_filter(0), pg_temp.a_number(depth - 1), pg_temp.a_filter(0), pg_temp.a_number(0), pg_temp.a_number(0))
        WHEN 7 THEN format('CASE d.id %% 4 WHEN %s THEN %s WHEN 2 THEN %s END', pg_temp.one_of('1', 'd.grp', 'length(' || pg_temp.a_label(0) || ')', '(4 / (d.id - 21))'), pg_temp.a_number(depth - 1), pg_temp.a_number(0))
        WHEN 8 THEN format('coalesce(nullif(%s, %s), %s)', pg_temp.a_number(0), pg_temp.one_of('7', 'd.grp', pg_temp.a_number(0)), pg_temp.a_number(depth - 1))
        WHEN 9 THEN format('(SELECT %s)', pg_temp.a_number(depth - 1))
        WHEN 10 THEN format('cardinality(ARRAY(SELECT s FROM %s AS s))', pg_temp.a_set())
        WHEN 11 THEN format('(SELECT count(*) FROM %s AS s WHERE %s)', pg_temp.a_set(), pg_temp.a_filter(0))
        WHEN 12 THEN format('(SELECT s.score FROM infer.classify_scores(''pf_class'', %s, truncate => ''end'') AS s ORDER BY s.score%s LIMIT 1)', pg_temp.a_text(depth - 1), pg_temp.one_of('', ' DESC'))
        WHEN 13 THEN format('(SELECT max(length(o.note || %s)) FROM others o WHERE o.grp < d.grp)', pg_temp.a_label(0))
        WHEN 14 THEN format('greatest(%s, %s)', pg_temp.a_number(0), pg_temp.a_number(0))
        ELSE format('(ARRAY[1, %s])[%s]', pg_temp.a_number(0), pg_temp.one_of('d.grp', 'length(' || pg_temp.a_label(0) || ') - 4')) END;
END $$;
CREATE FUNCTION pg_temp.failing(wanted int) RETURNS bigint STABLE COST 1 LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT count(*) + sum(1 / (id - 27)) FROM docs WHERE id = wanted);
END $$;
CREATE FUNCTION pg_temp.a_filter(depth int) RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * CASE WHEN depth > 0 THEN 22 ELSE 9 END)::int
        WHEN 0 THEN pg_temp.a_label(0) || ' = ''LABEL_1''' WHEN 1 THEN pg_temp.a_number(0) || ' > 0.05' WHEN 2 THEN 'd.id < 29'
        WHEN 3 THEN 'd.id % 3 = 1' WHEN 4 THEN pg_temp.a_label(0) || ' IS NOT NULL' WHEN 5 THEN 'd.id < 30' WHEN 6 THEN 'd.grp > 0'
        WHEN 7 THEN pg_temp.one_of('100 / (d.id - 30) > 2', 'pg_temp.failing(d.id) > 0', 'd.id < 40', 'd.grp <> 2', 'd.id <> 5') WHEN 8 THEN 'd.extra IS NOT NULL'
        WHEN 9 THEN format('(%s OR %s)', pg_temp.a_filter(depth - 1), pg_temp.a_filter(depth - 1))
        WHEN 10 THEN format('NOT (%s)', pg_temp.a_filter(depth - 1))
        WHEN 11 THEN format('CASE WHEN %s THEN %s ELSE %s END', pg_temp.a_filter(0), pg_temp.a_filter(depth - 1), pg_temp.a_filter(0))
        WHEN 12 THEN format('coalesce(%s, %s)', pg_temp.a_filter(0), pg_temp.a_filter(0))
        WHEN 13 THEN format('(%s AND %s)', pg_temp.a_filter(depth - 1), pg_temp.a_filter(depth - 1))
        WHEN 14 THEN format('EXISTS (SELECT FROM %s AS s WHERE %s)', pg_temp.a_set(), pg_temp.a_filter(0))
        WHEN 15 THEN format('%s NOT IN (SELECT o.note FROM others o%s)', pg_temp.a_label(0), pg_temp.one_of('', ' WHERE o.grp = d.grp', ' WHERE o.grp > 5'))
        WHEN 16 THEN format('%s = ANY (SELECT ''LABEL_'' || o.grp FROM others o%s)', pg_temp.a_label(0), pg_temp.one_of('', ' OFFSET 1', ' WHERE o.grp <> d.grp'))
        WHEN 17 THEN format('ROW(d.grp, %s) < ROW(2, %s)', pg_temp.a_label(0), pg_temp.a_label(0))
        WHEN 18 THEN format('(%s) IS DISTINCT FROM (%s)', pg_temp.a_filter(0), pg_temp.a_filter(0))
        WHEN 19 THEN format('(nextval(''pf_sequence'') %% 3 > 0 AND %s)', pg_temp.a_filter(0))
        WHEN 20 THEN format('%s IN (%s, ''LABEL_0'', %s)', pg_temp.a_label(0), pg_temp.a_text(0), pg_temp.a_label(0))
        ELSE format('(%s AND %s AND %s)', pg_temp.a_filter(0), pg_temp.a_filter(0), pg_temp.a_filter(depth - 1)) END;
END $$;
CREATE FUNCTION pg_temp.filters() RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * 4)::int
        WHEN 0 THEN '' WHEN 1 THEN ' WHERE ' || pg_temp.a_filter(2) WHEN 2 THEN ' WHERE d.id < 28 AND ' || pg_temp.a_filter(1)
        ELSE ' WHERE ' || pg_temp.a_filter(1) || ' AND ' || pg_temp.a_filter(1) END;
END $$;
CREATE FUNCTION pg_temp.an_expression() RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * 12)::int
        WHEN 0 THEN pg_temp.a_number(1) WHEN 1 THEN pg_temp.a_label(1) WHEN 2 THEN pg_temp.a_number(2) WHEN 3 THEN 'd.id' WHEN 4 THEN 'd.body'
        WHEN 5 THEN format('CASE WHEN %s THEN %s END', pg_temp.a_filter(1), pg_temp.a_label(1))
        WHEN 6 THEN format('coalesce(%s, %s)', pg_temp.a_label(0), pg_temp.a_label(1))
        WHEN 7 THEN format('ROW(%s, %s)', pg_temp.a_label(0), pg_temp.a_number(0))
        WHEN 8 THEN pg_temp.a_filter(2) WHEN 9 THEN format('ARRAY(SELECT s FROM %s AS s)', pg_temp.a_set())
        WHEN 10 THEN format('(SELECT s FROM %s AS s WHERE %s ORDER BY s LIMIT 1)', pg_temp.a_set(), pg_temp.a_filter(0))
        -- the same call in several places
        ELSE format('ROW(%1$s, CASE WHEN %2$s THEN %3$s END, CASE WHEN %4$s THEN infer.classify(''pf_class'', %3$s) END, d.grp > 1 AND %3$s > ''L'')', pg_temp.one_of('1', '1', pg_temp.a_label(0)), pg_temp.a_filter(0), pg_temp.a_label(0), pg_temp.one_of(pg_temp.a_filter(0), 'd.grp = 1', 'nextval(''pf_sequence'') % 2 = 0')) END;
END $$;
CREATE FUNCTION pg_temp.a_tail() RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * 13)::int
        WHEN 0 THEN ' LIMIT 1' WHEN 1 THEN ' LIMIT 7' WHEN 2 THEN ' LIMIT 5 OFFSET 9' WHEN 3 THEN ' ORDER BY d.id' WHEN 4 THEN ' ORDER BY d.id DESC LIMIT 4'
        WHEN 5 THEN ' ORDER BY ' || pg_temp.a_number(0) || ', d.id LIMIT 6' WHEN 6 THEN ' ORDER BY ' || pg_temp.a_label(0) || ', d.id'
        WHEN 7 THEN ' ORDER BY d.grp FETCH FIRST 3 ROWS WITH TIES' WHEN 8 THEN ' OFFSET (SELECT 3)' WHEN 9 THEN ' LIMIT (SELECT max(grp) FROM others)' WHEN 10 THEN ' LIMIT NULL OFFSET 20'
        ELSE '' END;
END $$;
CREATE FUNCTION pg_temp.a_set() RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * 7)::int
        WHEN 0 THEN 'infer.tag(''pf_tag'', ' || pg_temp.a_text(0) || ')' WHEN 1 THEN 'infer.classify_scores(''pf_class'', ' || pg_temp.a_text(0) || ', truncate => ''end'')'
        WHEN 2 THEN 'infer.fill_mask(''pf_mask'', ''the [MASK] of '' || left(' || pg_temp.a_text(0) || ', 9), top_k => 2)'
        WHEN 3 THEN 'infer.answers(''pf_answer'', ''who?'', ' || pg_temp.a_text(0) || ', top_k => 2)'
        WHEN 4 THEN 'infer.generate_many(''pf_causal'', left(' || pg_temp.a_text(0) || ', 15), 3, num_beams => 2, num_return_sequences => 2)'
        WHEN 5 THEN 'pg_temp.words(' || pg_temp.a_text(0) || ')'
        ELSE 'infer.classify_scores(''pf_class'', ' || pg_temp.a_label(0) || ')' END;
END $$;
CREATE FUNCTION pg_temp.a_source(depth int) RETURNS text VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * CASE WHEN depth > 0 THEN 15 ELSE 8 END)::int
        WHEN 0 THEN 'parts d' WHEN 1 THEN 'barrier d' WHEN 2 THEN pg_temp.one_of('(SELECT * FROM docs OFFSET 0) d', '(SELECT id, 90 / (id - 32) AS grp, body, extra FROM docs OFFSET 0) d') WHEN 3 THEN '(VALUES (1, 2, ''the cat'', ''x''), (2, 3, NULL, ''dog'')) AS d(id, grp, body, extra)'
        WHEN 4 THEN '(SELECT id, grp, body, extra FROM docs UNION ALL SELECT id + 100, grp, extra, body FROM docs WHERE id < 9) d' WHEN 5 THEN 'policed d'
        WHEN 8 THEN format('(SELECT d.id, d.grp, %s AS body, d.extra FROM %s%s OFFSET 0) d', pg_temp.a_label(0), pg_temp.a_source(depth - 1), pg_temp.filters())
        WHEN 9 THEN format('(SELECT d.id, d.grp, d.body, %s AS extra FROM %s%s) d', pg_temp.a_text(1), pg_temp.a_source(depth - 1), pg_temp.filters())
        WHEN 10 THEN format('(SELECT d.* FROM %s%s) d', pg_temp.a_source(depth - 1), pg_temp.a_tail())
        WHEN 11 THEN format('(SELECT id, grp, body, extra FROM docs d%s %s SELECT id, grp, body, extra FROM docs d%s) d', pg_temp.filters(), pg_temp.one_of('UNION', 'EXCEPT', 'INTERSECT', 'EXCEPT ALL', 'UNION ALL'), pg_temp.filters())
        WHEN 12 THEN format('(SELECT DISTINCT ON (d.grp) d.* FROM %s%s ORDER BY d.grp, %s, d.id) d', pg_temp.a_source(depth - 1), pg_temp.filters(), pg_temp.a_number(0))
        WHEN 13 THEN format('(SELECT * FROM (SELECT d.*, row_number() OVER (ORDER BY d.id) AS row FROM %s) d WHERE row < 20 AND %s) d', pg_temp.a_source(depth - 1), pg_temp.a_filter(0))
        WHEN 14 THEN format('(SELECT d.id, d.grp, d.body, o.note AS extra FROM %s %s JOIN others o ON o.grp = d.grp AND %s) d', pg_temp.a_source(depth - 1), pg_temp.one_of('LEFT', 'INNER'), pg_temp.a_filter(0))
        ELSE 'docs d' END;
END $$;

-- over targets, which have fewer columns than docs
CREATE FUNCTION pg_temp.without_docs(expression text) RETURNS text LANGUAGE sql AS
    $$ SELECT replace(replace(expression, 'd.grp', '(d.id % 5)'), 'd.extra', 'left(d.body, 9)') $$;
CREATE FUNCTION pg_temp.a_query() RETURNS text VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    e text := pg_temp.an_expression();
    f text := pg_temp.an_expression();
    n text := pg_temp.a_number(1);
    w text := pg_temp.filters();
    tail text := pg_temp.a_tail();
    source text := pg_temp.a_source(2);
    set_1 text := pg_temp.a_set();
    label text := pg_temp.a_label(1);
BEGIN
    RETURN CASE floor(random() * 46)::int
        WHEN 0 THEN format('SELECT d.grp, count(*), max(%s), string_agg(%s, '','' ORDER BY d.id) FROM %s%s GROUP BY d.grp ORDER BY 1', n, label, source, w)
        WHEN 1 THEN format('SELECT d.grp, count(%s) FROM %s%s GROUP BY d.grp HAVING infer.classify(''pf_class'', min(left(d.body, 20))) <> ''x'' ORDER BY 1', n, source, w)
        WHEN 2 THEN format('SELECT %s AS key, count(*) FROM %s%s GROUP BY 1 ORDER BY 1', label, source, w)
        WHEN 3 THEN format('SELECT d.id, o.note, %s FROM %s JOIN others o ON o.grp = d.grp AND %s > o.least%s', e, source, n, w)
        WHEN 4 THEN format('SELECT d.id, o.note, %s FROM %s LEFT JOIN others o ON o.grp = d.grp AND %s%s', e, source, pg_temp.a_filter(0), w)
        WHEN 5 THEN format('SELECT d.id, o.note FROM %s JOIN others o ON infer.classify(''pf_class'', d.body, truncate => ''end'') = ''LABEL_'' || o.grp%s', source, w)
        WHEN 6 THEN format('SELECT d.id, s.* FROM %s, %s AS s%s', source, set_1, w)
        WHEN 7 THEN format('SELECT d.id, s.* FROM %s LEFT JOIN LATERAL %s AS s ON %s%s', source, set_1, pg_temp.one_of('true', 'true', 'd.id % 2 = 0', pg_temp.a_filter(0)), w)
        WHEN 8 THEN format('SELECT d.id, %s FROM %s%s', set_1, source, w)
        WHEN 9 THEN format('SELECT d.id, sum(%s) OVER (ORDER BY d.id ROWS 2 PRECEDING), %s FROM %s%s', n, e, source, w)
        WHEN 10 THEN format('WITH c AS MATERIALIZED (SELECT d.id, %s AS v FROM %s%s) SELECT * FROM c a JOIN c b ON a.id = b.id + 1', e, source, w)
        WHEN 11 THEN format('WITH RECURSIVE r(id, grp, body, extra) AS (SELECT * FROM docs WHERE id = 1 UNION ALL SELECT d.id, d.grp, d.body, %s FROM docs d JOIN r ON d.id = r.id + 1 WHERE d.id < 9) SELECT d.id, %s FROM r d%s', label, n, w)
        WHEN 12 THEN format('SELECT d.id, (SELECT %s FROM others o WHERE o.grp = d.grp) FROM %s%s', e, source, w)
        WHEN 13 THEN format('SELECT o.grp, (SELECT count(*) FROM docs d WHERE d.grp = o.grp AND %s) FROM others o', pg_temp.a_filter(1))
        WHEN 14 THEN format('SELECT DISTINCT %s FROM %s%s', label, source, w)
        WHEN 15 THEN format('SELECT d.id, pg_temp.planned(d.extra), %s FROM %s%s', e, source, ' WHERE d.id < 4')
        WHEN 16 THEN format('SELECT d.id, %s, %s FROM %s%s%s', e, f, source, w, tail)
        WHEN 17 THEN format('SELECT d.id, d.body FROM docs d WHERE EXISTS (SELECT 1 FROM others o WHERE o.grp = d.grp AND %s)', pg_temp.a_filter(1))
        WHEN 18 THEN format('SELECT d.id, nextval(''pf_sequence''), %s FROM %s%s%s', e, source, w, tail)
        WHEN 19 THEN format('SELECT d.grp, count(%s) FILTER (WHERE %s), count(DISTINCT %s), array_agg(%s ORDER BY %s, d.id) FILTER (WHERE %s) FROM %s%s GROUP BY %s(d.grp)', n, pg_temp.a_filter(1), label, e, pg_temp.a_number(0), pg_temp.a_filter(0), source, w, pg_temp.one_of('', '', 'ROLLUP', 'CUBE'))
        WHEN 20 THEN format('SELECT d.grp, %s AS l, count(*), GROUPING(d.grp) FROM %s%s GROUP BY GROUPING SETS ((d.grp), (d.grp, 2), (2), ())', label, source, w)
        WHEN 21 THEN format('SELECT DISTINCT ON (%s) d.id, %s FROM %s%s ORDER BY %s, d.id', label, e, source, w, label)
        WHEN 22 THEN format('SELECT d.id, count(%s) FILTER (WHERE %s) OVER (PARTITION BY d.grp ORDER BY d.id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING), lag(%s) OVER (ORDER BY d.id), first_value(%s) OVER (PARTITION BY %s ORDER BY d.id) FROM %s%s%s', n, pg_temp.a_filter(0), label, pg_temp.a_text(1), pg_temp.a_label(0), source, w, tail)
        WHEN 23 THEN format('SELECT d.id, %s FROM %s%s %s SELECT d.id, %s FROM docs d%s', label, source, w, pg_temp.one_of('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT'), pg_temp.a_label(0), pg_temp.filters())
        WHEN 24 THEN format('WITH RECURSIVE r(id, l) AS (SELECT 1, ''the cat'' UNION SELECT r.id + 1, %s FROM r, docs d WHERE d.id = r.id + 1 AND r.id < 12 AND %s) SELECT id, l, infer.classify(''pf_class'', l) FROM r%s', label, pg_temp.a_filter(0), pg_temp.one_of('', ' LIMIT 3'))
        WHEN 25 THEN format('WITH c AS MATERIALIZED (SELECT d.id, d.grp, d.extra, %s AS body FROM %s%s) SELECT d.id, %s, (SELECT count(*) FROM c x WHERE x.body = d.body) FROM c d%s', label, source, w, e, tail)
        WHEN 26 THEN format('SELECT d.id, length(s.*::text), %s, generate_series(1, length(%s) - 6) FROM %s, %s AS s%s%s', set_1, pg_temp.a_label(0), source, pg_temp.a_set(), w, tail)
        WHEN 27 THEN format('SELECT d.id, %s FROM %s WHERE d.id IN (SELECT x.id FROM docs x WHERE infer.classify(''pf_class'', x.body, truncate => ''end'') = %s)', e, source, pg_temp.a_label(0))
        WHEN 28 THEN format('SELECT d.id, e.id, %s FROM %s %s JOIN docs e ON e.id = d.id + 1 AND infer.classify(''pf_class'', e.body, truncate => ''end'') = %s%s', e, source, pg_temp.one_of('FULL', 'LEFT', 'RIGHT', 'INNER'), label, w)
        WHEN 29 THEN format('SELECT d.id, e.id FROM %s JOIN docs e ON CASE WHEN d.id %% 3 = 0 THEN %s END = infer.classify(''pf_class'', left(e.body, e.id), truncate => ''end'') AND e.id < 9%s', source, label, w)
        WHEN 30 THEN format('SELECT d.id, s.*, %s FROM %s, LATERAL (SELECT x.id AS other, %s AS v FROM docs x WHERE x.id < d.grp%s) AS s%s', n, source, e, pg_temp.one_of('', ' LIMIT 1', ' ORDER BY 2 DESC OFFSET 1'), w)
        WHEN 31 THEN format('SELECT d.*, s.* FROM %s JOIN LATERAL (SELECT %s AS v OFFSET 0) AS s ON s.v IS NOT NULL%s%s', source, e, w, tail)
        WHEN 32 THEN format('SELECT count(*), percentile_disc(0.5) WITHIN GROUP (ORDER BY %s), mode() WITHIN GROUP (ORDER BY %s) FROM %s%s', n, label, source, w)
        WHEN 33 THEN format('SELECT x.* FROM (SELECT d.id, %s AS v, rank() OVER (ORDER BY %s, d.id) AS place FROM %s%s) AS x WHERE place <= 5', e, pg_temp.a_number(0), source, w)
        WHEN 34 THEN format('SELECT d.id, s.*, ordinality FROM %s, ROWS FROM (%s, generate_series(1, d.grp)) WITH ORDINALITY AS s%s', source, 'unnest(ARRAY[' || label || '])', w)
        WHEN 35 THEN format('SELECT d.id, %s FROM %s WHERE NOT EXISTS (SELECT FROM docs e WHERE e.id = d.id + 3 AND infer.classify(''pf_class'', e.body, truncate => ''end'') = %s)%s', e, source, pg_temp.a_label(0), tail)
        WHEN 36 THEN format('UPDATE targets d SET label = %s, near = %s FROM docs e WHERE e.id = d.id AND %s RETURNING d.id, d.size, infer.classify(''pf_class'', d.label)', pg_temp.without_docs(label), pg_temp.without_docs(pg_temp.a_number(1)), pg_temp.without_docs(pg_temp.a_filter(1)))
        WHEN 37 THEN format('UPDATE targets d SET (label, near) = (SELECT %s, %s) WHERE %s', pg_temp.without_docs(label), pg_temp.without_docs(pg_temp.a_number(1)), pg_temp.without_docs(pg_temp.a_filter(1)))
        WHEN 38 THEN format('DELETE FROM targets d USING docs e WHERE e.id = d.id AND %s RETURNING d.*', pg_temp.without_docs(pg_temp.a_filter(2)))
        WHEN 39 THEN format('INSERT INTO targets (id, label, near) SELECT d.id, %s, %s FROM docs d%s ON CONFLICT (id) DO UPDATE SET label = excluded.label WHERE infer.classify(''pf_class'', excluded.label) <> ''x'' RETURNING *', label, n, w)
        WHEN 40 THEN format('INSERT INTO targets (id, body, label) SELECT d.id + 1000, d.body, %s FROM %s%s%s', label, source, w, tail)
        WHEN 41 THEN format('MERGE INTO targets t USING (SELECT d.id, %s AS l, d.body, d.grp, d.extra FROM %s%s) d ON t.id = d.id AND %s WHEN MATCHED AND %s THEN UPDATE SET label = d.l, near = %s WHEN MATCHED AND d.grp = 1 THEN DELETE WHEN NOT MATCHED AND d.l IS NOT NULL THEN INSERT (id, label) VALUES (d.id + 500, d.l)', label, source, w, pg_temp.one_of('true', 'infer.classify(''pf_class'', t.body) = d.l'), pg_temp.a_filter(0), pg_temp.a_number(0))
        WHEN 42 THEN format('WITH u AS (UPDATE targets d SET label = %s WHERE %s RETURNING *) SELECT u.id, u.size, infer.classify(''pf_class'', u.label || ''!'') FROM u%s', pg_temp.without_docs(label), pg_temp.without_docs(pg_temp.a_filter(0)), pg_temp.one_of('', ' LIMIT 3'))
        WHEN 43 THEN format('SELECT d.id, %s FROM %s%s FOR UPDATE OF d', e, pg_temp.one_of('docs d', 'parts d', 'targets t JOIN docs d USING (id)'), w)
        ELSE format('SELECT d.id, %s FROM %s%s%s', e, source, w, tail) END;
END $$;

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
CREATE FUNCTION pg_temp.in_parallel(n int, query text) RETURNS boolean LANGUAGE sql AS $$ SELECT n % 6 = 0 AND query !~ 'LIMIT|OFFSET [^0]|FETCH|nextval' $$;
CREATE FUNCTION pg_temp.modifies(query text) RETURNS boolean LANGUAGE sql AS $$ SELECT query ~ '^(UPDATE|DELETE|INSERT|MERGE|WITH u|WITH changes)' $$;
CREATE FUNCTION pg_temp.settings(n int, query text) RETURNS void LANGUAGE sql AS $$
    SELECT set_config('enable_hashjoin', (n % 4 <> 1)::text, true), set_config('enable_nestloop', (n % 4 <> 2)::text, true),
           set_config('enable_mergejoin', (n % 4 <> 3)::text, true), set_config('enable_hashagg', (n % 3 <> 0)::text, true),
           set_config('enable_memoize', (n % 3 <> 1)::text, true), set_config('enable_seqscan', (n % 7 <> 1)::text, true),
           set_config('enable_material', (n % 5 <> 1)::text, true), set_config('enable_sort', (n % 11 <> 1)::text, true),
           set_config('max_parallel_workers_per_gather', pg_temp.in_parallel(n, query)::int::text, true),
           set_config(CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'force_parallel_mode' ELSE 'debug_parallel_query' END,
                      CASE WHEN pg_temp.in_parallel(n, query) AND n % 4 = 0 THEN 'on' ELSE 'off' END, true),
           set_config('parallel_setup_cost', '0', true), set_config('parallel_tuple_cost', '0', true), set_config('work_mem', CASE WHEN n % 10 = 3 THEN '64kB' ELSE '4MB' END, true),
           set_config('plan_cache_mode', CASE WHEN n % 5 = 2 THEN 'force_generic_plan' ELSE 'auto' END, true),
           set_config('min_parallel_table_scan_size', '0', true), set_config('pg_infer.prefetch_rows', (ARRAY['256', '1', '3', '20', '2'])[1 + n % 5], true);
$$;

-- what a query gives: its rows up to its error, how often something volatile was evaluated, and what tables have then
CREATE FUNCTION pg_temp.outcome(n int, query text, prefetch text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text[] := '{}';
    failure text := '';
    portion text;
    r record;
BEGIN
    PERFORM set_config('pg_infer.prefetch', prefetch, true), pg_temp.settings(n, query), setval('pf_sequence', 1);
    BEGIN
        IF query ~ '^(UPDATE [^(]* SET \(|INSERT INTO targets \(id, body|MERGE)' THEN
            EXECUTE query;
        ELSIF n % 5 IN (1, 4) AND query !~ 'nextval' AND NOT pg_temp.in_parallel(n, query) AND NOT pg_temp.modifies(query) THEN
            EXECUTE 'DECLARE pf_cursor ' || (ARRAY['', 'NO SCROLL', 'SCROLL', 'SCROLL'])[1 + n % 4] || ' CURSOR FOR ' || query;
            BEGIN
                FOREACH portion IN ARRAY CASE n % 4 WHEN 0 THEN '{FETCH 1,FETCH 2,MOVE 1,FETCH 7,FETCH 0}'
                                         WHEN 1 THEN '{FETCH 3,MOVE 5,FETCH 1,FETCH 20,FETCH ALL}'
                                         WHEN 2 THEN '{FETCH 4,FETCH BACKWARD 2,FETCH 3,MOVE BACKWARD 1,FETCH 0,FETCH LAST,FETCH PRIOR,FETCH FIRST,FETCH 9}'
                                         ELSE '{FETCH ABSOLUTE 5,FETCH RELATIVE -2,FETCH 9,FETCH BACKWARD ALL,FETCH 2}' END::text[] LOOP
                    result := result || portion;
                    IF portion LIKE 'MOVE%' THEN
                        EXECUTE portion || ' FROM pf_cursor';
                        CONTINUE;
                    END IF;
                    FOR r IN EXECUTE portion || ' FROM pf_cursor' LOOP
                        result := result || r::text;
                    END LOOP;
                END LOOP;
            EXCEPTION WHEN OTHERS THEN
                failure := 'error: ' || SQLSTATE || ' ' || SQLERRM;
            END;
            EXECUTE 'CLOSE pf_cursor';
        ELSE
            IF n % 5 = 2 AND NOT pg_temp.modifies(query) THEN
                EXECUTE 'PREPARE pf_statement(int) AS ' || regexp_replace(query, 'd\.id < 2[89]', 'd.id < $1', 'g');
                query := 'EXECUTE pf_statement(27)';
            END IF;
            FOR r IN EXECUTE query LOOP
                result := result || r::text;
            END LOOP;
        END IF;
        IF pg_temp.modifies(query) THEN
            -- without the numbers of rows, which are not taken back
            result := result || ARRAY(
                SELECT c::text FROM (SELECT id, 0, body, NULL, near, label FROM targets UNION ALL SELECT id, grp, body, extra, near, label FROM changed
                                     UNION ALL SELECT id, grp, body, extra, near, label FROM changed_parts UNION ALL SELECT id, grp, body, extra, near, label FROM triggered) AS c ORDER BY 1);
            RAISE EXCEPTION USING ERRCODE = 'PF999';
        END IF;
    EXCEPTION WHEN SQLSTATE 'PF999' THEN
        NULL;
    WHEN OTHERS THEN
        -- both sides of a join may have errors
        failure := 'error: ' || CASE WHEN query LIKE 'MERGE%' THEN '' ELSE SQLSTATE || ' ' || SQLERRM END;
    END;
    IF query LIKE 'EXECUTE%' AND EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'pf_statement') THEN
        DEALLOCATE pf_statement;
    END IF;
    IF pg_temp.in_parallel(n, query) THEN
        -- workers may come to another row first
        RETURN CASE WHEN failure <> '' THEN 'error: ' ELSE ARRAY(SELECT unnest(result) AS r ORDER BY r)::text END;
    END IF;
    -- of a row that fails, more or less may have been evaluated
    RETURN failure || result::text || CASE WHEN failure = '' THEN (SELECT last_value::text FROM pf_sequence) ELSE '' END;
END $$;
CREATE FUNCTION pg_temp.plan_of(n int, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text := '';
    line text;
BEGIN
    PERFORM set_config('pg_infer.prefetch', 'on', true), pg_temp.settings(n, query);
    FOR line IN EXECUTE format('EXPLAIN (VERBOSE, FORMAT %s) %s', (ARRAY['text', 'text', 'text', 'json', 'yaml', 'xml'])[1 + n % 6], query) LOOP
        result := result || line || E'\n';
    END LOOP;
    RETURN translate(result, '-', ' ');
EXCEPTION WHEN OTHERS THEN
    -- the planner evaluates constants
    RETURN 'error: ' || SQLSTATE || ' ' || SQLERRM;
END $$;

SELECT setseed(:seed) \g /dev/null
CREATE TEMP TABLE queries (n int PRIMARY KEY, query text);
INSERT INTO queries SELECT n, CASE WHEN n % 5 = 0 THEN pg_temp.a_change() ELSE pg_temp.a_query() END FROM generate_series(1, :queries) AS n;
CREATE TEMP TABLE outcomes AS
    SELECT n, query, pg_temp.outcome(n, query, 'off') AS plain, pg_temp.outcome(n, query, 'on') AS ahead, pg_temp.plan_of(n, query) AS plan
    FROM queries;

SELECT plan(:queries + 12);
SELECT is(ahead, plain, 'query ' || n || ': ' || left(query, 100)) FROM outcomes ORDER BY n;
SELECT cmp_ok(count(*) FILTER (WHERE plan LIKE '%InferLookahead%'), '>=', 400::bigint, 'most of them look ahead') FROM outcomes;
SELECT cmp_ok(count(*) FILTER (WHERE plain LIKE 'error%'), '<=', 250::bigint, 'not too many fail') FROM outcomes;
SELECT cmp_ok(count(*) FILTER (WHERE plain LIKE 'error%'), '>=', 50::bigint, 'but some do') FROM outcomes;
SELECT cmp_ok(count(*) FILTER (WHERE plain = '{}'), '<=', 150::bigint, 'few are empty') FROM outcomes;
SELECT cmp_ok(count(*) FILTER (WHERE plan LIKE '%InferLookahead%' AND plan LIKE '%' || node || '%'), '>=', least::bigint, 'beside ' || node)
FROM outcomes, (VALUES ('Gather', 10), ('Insert on', 40), ('Merge on', 15), ('Hash Join', 20), ('Merge Join', 10), ('Nested Loop', 40), ('ProjectSet', 10), ('WindowAgg', 10)) AS v(node, least)
GROUP BY node, least;
SELECT * FROM finish();
ROLLBACK;
