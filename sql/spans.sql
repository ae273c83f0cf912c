-- What stands where in a text: tag, answer, answers, fill_mask.
\getenv srcdir PG_ABS_SRCDIR
\set tag :srcdir '/test/reference/pipelines/tag-bert'
\set slow :srcdir '/test/reference/pipelines/tag-bert-slow'
\set qa :srcdir '/test/reference/pipelines/answer-bert'
\set mask :srcdir '/test/reference/pipelines/mask-bert'
SELECT infer.create_model('ner', :'tag') IS NOT NULL AND infer.create_model('ner_slow', :'slow', '{"use_fast": false}') IS NOT NULL AND
       infer.create_model('qa', :'qa') IS NOT NULL AND infer.create_model('mlm', :'mask') IS NOT NULL AS created;

-- tag: spans are those of the input
SELECT ord, tag, round(score::numeric, 3) AS score, word, pos, len, substr(input, pos, len) = word AS same
FROM (VALUES ('Mary Lennox, née Straße 😀, left.')) AS v(input), infer.tag('ner', input, 'first');
SELECT count(*), bool_and(substr(input, pos, len) = word) AS same
FROM (SELECT repeat('Mary Lennox, née Straße 😀, left. ', 20)) AS v(input), infer.tag('ner', input, stride => 10);
SELECT aggregation, count(*), count(DISTINCT tag) AS tags
FROM unnest('{none,simple,first,average,max}'::text[]) AS aggregation, infer.tag('ner', 'Mary Lennox left.', aggregation, ignore_labels => '{}')
GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM infer.tag('ner', '');
SELECT count(*) FROM infer.tag(NULL, 'x');
SELECT count(*) FROM infer.tag('ner', NULL);
SELECT count(*) > 0 AS defaults FROM infer.tag('ner', 'Mary', NULL, NULL, NULL);
SELECT count(*) FROM infer.tag('ner', 'Mary Lennox left.', ignore_labels => '{PER,ORG,LOC,O}');
SELECT t.tag FROM infer.tag('ner', 'x', 'words') t;
SELECT t.tag FROM infer.tag('ner', 'x', 'none', 3) t;
SELECT t.tag FROM infer.tag('ner', 'x', stride => -1) t;
SELECT t.tag FROM infer.tag('ner', 'x', stride => 54) t;
SELECT t.tag FROM infer.tag('ner', 'x', ignore_labels => '{O,NULL}') t;
SELECT t.tag FROM infer.tag('ner', repeat('Mary ', 60)) t;
SELECT t.tag FROM infer.tag('ner_slow', 'x', 'average') t;
SELECT t.tag FROM infer.tag('qa', 'x') t;

-- answers, answer
\set context 'Jim Henson was a nice puppet. He made the Muppets in “New York”, 1955 😀.'
SELECT answer, round(score::numeric, 3) AS score, pos, len, substr(:'context', pos, len) = answer AS same
FROM infer.answers('qa', 'Who was Jim Henson?', :'context', top_k => 3);
SELECT infer.answer('qa', 'Who was Jim Henson?', :'context');
SELECT answer, pos, len FROM infer.answers('qa', 'Where?', 'x', handle_impossible_answer => true, top_k => 2) ORDER BY pos;
SELECT infer.answer('qa', 'Where?', '') IS NULL AS of_nothing, infer.answer('qa', 'Where?', '  ') IS NULL AS of_spaces,
       infer.answer('qa', '', 'one word') IS NOT NULL AS to_nothing;
SELECT infer.answer(NULL, 'a', 'b') IS NULL AND infer.answer('qa', NULL, 'b') IS NULL AND infer.answer('qa', 'a', NULL) IS NULL AS nulls;
SELECT count(*) FROM infer.answers('qa', NULL, 'b');
SELECT count(*) FROM infer.answers('qa', 'Who?', :'context', NULL, NULL, NULL, NULL, NULL, NULL);
-- several contexts, and a long one
SELECT c.id, a.answer, a.pos FROM (VALUES (1, 'Mary was born in India.'), (2, 'She lived in England.')) AS c(id, body),
    infer.answers('qa', 'Where was Mary born?', c.body) AS a ORDER BY c.id;
SELECT count(*), bool_and(substr(body, pos, len) = answer) AS same
FROM (SELECT repeat(:'context' || ' ', 100)) AS c(body), infer.answers('qa', 'Who was Jim Henson?', body, top_k => 5, max_seq_len => 60, doc_stride => 12);
SELECT infer.answers('qa', 'x', 'y', top_k => 0);
SELECT infer.answers('qa', 'x', 'y', max_answer_len => 0);
SELECT infer.answer('qa', 'x', 'y', max_question_len => -1);
SELECT infer.answer('qa', 'x', 'y', max_seq_len => 0);
SELECT infer.answer('qa', 'x', 'y', doc_stride => -5);
SELECT infer.answer('qa', 'x', 'y', doc_stride => 50, max_seq_len => 40);
SELECT infer.answer('qa', repeat('x ', 60), repeat('y ', 60), max_seq_len => 40, doc_stride => 5);
SELECT infer.answer('ner', 'x', 'y');

-- fill_mask
SELECT mask, token, token_id, round(score::numeric, 3) AS score, sequence FROM infer.fill_mask('mlm', 'the [MASK] fox', 2);
SELECT mask, token, sequence FROM infer.fill_mask('mlm', 'the [MASK] fox [MASK].', 1);
SELECT mask, token, round(score::numeric, 4) AS score FROM infer.fill_mask('mlm', '[MASK]', targets => '{fox,the,fox}');
SELECT count(*) FROM infer.fill_mask('mlm', '[MASK]', 1000000);
SELECT count(*) FROM infer.fill_mask('mlm', '[MASK]', NULL, NULL);
SELECT count(*) FROM infer.fill_mask('mlm', NULL);
SELECT infer.fill_mask('mlm', 'the fox');
SELECT infer.fill_mask('mlm', '[MASK] ' || repeat('the fox ', 300));
SELECT count(*) FROM infer.fill_mask('mlm', '[MASK] ' || repeat('the fox ', 300), truncate => 'end');
SELECT infer.fill_mask('mlm', '');
SELECT infer.fill_mask('mlm', '[MASK]', 0);
SELECT infer.fill_mask('mlm', '[MASK]', targets => '{}');
SELECT infer.fill_mask('mlm', '[MASK]', targets => '{the,NULL}');
SELECT infer.fill_mask('mlm', '[MASK]', targets => '{the,elephantine}');
SELECT infer.fill_mask('mlm', '[MASK]', targets => '{""}');
SELECT infer.fill_mask('qa', '[MASK]');

-- a million characters: all of them are read, and the statement can be cancelled
CREATE TABLE long_text AS SELECT repeat('Jim Henson was a nice puppet, and everybody in London knew. ', 16667) AS body;
SELECT length(body) FROM long_text;
SELECT max(pos + len) - 1 AS last FROM long_text, infer.tag('ner', body, 'first', 0, '{}');
SET statement_timeout = '200ms';
SELECT infer.answer('qa', 'Who was Jim Henson?', body) FROM long_text;
RESET statement_timeout;
DROP TABLE long_text;

-- ordinary rows: in views, LATERAL and INSERT ... SELECT
CREATE TABLE notes (id int PRIMARY KEY, body text);
INSERT INTO notes VALUES (1, 'Mary Lennox left.'), (2, ''), (3, NULL), (4, 'The fox lives in London.');
CREATE VIEW entities AS SELECT id, t.* FROM notes, infer.tag('ner', body, 'max') AS t;
CREATE TABLE found AS SELECT * FROM entities;
SELECT id, count(*) FROM found GROUP BY id ORDER BY id;
SELECT count(*) FROM (SELECT * FROM entities EXCEPT SELECT * FROM found) AS d;
INSERT INTO found SELECT id, t.* FROM notes LEFT JOIN LATERAL infer.tag('ner', body, 'none') AS t ON true WHERE id = 3;
SELECT * FROM found WHERE id = 3;
DROP VIEW entities;
DROP TABLE notes, found;
SELECT infer.drop_model(name) FROM unnest('{ner,ner_slow,qa,mlm}'::text[]) AS name;
