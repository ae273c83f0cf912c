-- Texts and tokens.
\getenv srcdir PG_ABS_SRCDIR
\set tiny :srcdir '/test/models/tiny-bert'
SELECT infer.create_model('tiny', :'tiny') IS NOT NULL AS created;

-- tokenize
SELECT * FROM infer.tokenize('tiny', 'Hello, worlds!');
SELECT * FROM infer.tokenize('tiny', 'Hello', pair => 'the cat');
SELECT * FROM infer.tokenize('tiny', 'red house', add_special_tokens => false);
SELECT * FROM infer.tokenize('tiny', '');
SELECT * FROM infer.tokenize('tiny', '', '', false);
SELECT * FROM infer.tokenize('tiny', NULL);
SELECT * FROM infer.tokenize(NULL, 'x');
SELECT count(*) FROM infer.tokenize('tiny', 'x', NULL, NULL);
SELECT ord, token, special FROM infer.tokenize('tiny', 'a [MASK] b');
-- positions are characters of the input, through every normalization
SELECT token, pos, len, substr(input, pos, len) AS span
FROM (VALUES (E'Été  cafe\u0301 猫😀 ﬁn')) v(input), infer.tokenize('tiny', input) WHERE NOT special;
SELECT bool_and(lower(substr(input, pos, len)) = replace(token, '##', '')) AS spans
FROM (VALUES ('The people like to walk, reading blue books; 42 dogs.')) v(input), infer.tokenize('tiny', input)
WHERE NOT special AND token <> '[UNK]';
-- the whole text, whatever the model's limit
SELECT count(*) FROM infer.tokenize('tiny', repeat('the cat ', 500));
-- in a select list, and for every row of a table
SELECT (infer.tokenize('tiny', t)).token FROM (VALUES ('the dog'), (NULL), ('cat')) v(t);
SELECT t, string_agg(token, ' ' ORDER BY ord) FROM (VALUES ('the dog'), ('cat')) v(t), infer.tokenize('tiny', t)
GROUP BY t ORDER BY t;

-- count_tokens
SELECT infer.count_tokens('tiny', 'hello world') AS two, infer.count_tokens('tiny', 'hello', 'world') AS pair,
       infer.count_tokens('tiny', 'hello world', add_special_tokens => false) AS bare,
       infer.count_tokens('tiny', '') AS empty, infer.count_tokens('tiny', NULL) AS null_input,
       infer.count_tokens(NULL, 'x') AS null_model;
SELECT infer.count_tokens('tiny', repeat('the cat ', 500));

-- encode
SELECT * FROM infer.encode('tiny', 'Hello', 'the cat');
SELECT * FROM infer.encode('tiny', '', add_special_tokens => false);
SELECT infer.encode('tiny', NULL) IS NULL AS null_input, infer.encode(NULL, 'x') IS NULL AS null_model;
SELECT infer.encode('tiny', repeat('the cat ', 500));
SELECT cardinality(input_ids) FROM infer.encode('tiny', repeat('the cat ', 500), truncate => 'end');
SELECT input_ids, pos FROM infer.encode('tiny', 'one two more time', truncate => 'end', max_length => 4);
SELECT input_ids, pos FROM infer.encode('tiny', 'one two more time', truncate => 'start', max_length => 4);
SELECT input_ids, pos FROM infer.encode('tiny', 'one two', 'more time up', truncate => 'end', max_length => 7);
SELECT infer.encode('tiny', 'one two more time', max_length => 4);
SELECT infer.encode('tiny', 'one two', truncate => 'middle');
SELECT infer.encode('tiny', 'one two', max_length => 0);
SELECT infer.encode('tiny', 'one two', truncate => 'end', max_length => 1);
-- tokenize and encode agree
SELECT (infer.encode('tiny', t)).input_ids = (SELECT array_agg(id ORDER BY ord) FROM infer.tokenize('tiny', t)) AS agree
FROM (VALUES (''), ('the cat'), ('Été 猫'), (E'\t\n'), ('x' || chr(1) || 'y')) v(t);

-- decode
SELECT infer.decode('tiny', input_ids), infer.decode('tiny', input_ids, true) FROM infer.encode('tiny', 'Hello,  World!');
SELECT infer.decode('tiny', input_ids, skip_special_tokens => true) FROM infer.encode('tiny', 'walked quickly');
SELECT infer.decode('tiny', '{}') = '' AS empty, infer.decode('tiny', NULL) IS NULL AS null_ids,
       infer.decode(NULL, '{1}') IS NULL AS null_model, infer.decode('tiny', '{164,-5,100000,165}') AS unknown;
SELECT infer.decode('tiny', '{{1,2},{3,4}}');
SELECT infer.decode('tiny', '{1,NULL}');

-- vocab
SELECT count(*), count(DISTINCT token), min(id), max(id), count(*) FILTER (WHERE special) AS special FROM infer.vocab('tiny');
SELECT * FROM infer.vocab('tiny') WHERE id IN (0, 4, 83, 177) ORDER BY id;
SELECT * FROM infer.vocab(NULL);

-- chunks
SELECT * FROM infer.chunks('tiny', 'the cat was reading a book about the green house and the dog was not', 8);
SELECT * FROM infer.chunks('tiny', 'the cat was reading a book about the green house and the dog was not', 8, 2);
SELECT * FROM infer.chunks('tiny', 'the cat');
SELECT * FROM infer.chunks('tiny', '');
SELECT * FROM infer.chunks('tiny', '   ');
SELECT * FROM infer.chunks('tiny', NULL);
SELECT * FROM infer.chunks(NULL, 'x');
SELECT * FROM infer.chunks('tiny', '猫猫猫猫猫 abcdefghijklmnop', 5);
-- every chunk fits, is what it says, and nothing is lost
SELECT bool_and(tokens <= 16) AS fit, bool_and(tokens = infer.count_tokens('tiny', chunk)) AS counted,
       bool_and(chunk = substr(input, pos, len)) AS placed,
       replace(string_agg(chunk, '' ORDER BY ord), ' ', '') = replace(input, ' ', '') AS whole
FROM (SELECT repeat('The people were reading, walking; 12345 xyzzy 猫 books. ', 40)) v(input), infer.chunks('tiny', input, 16)
GROUP BY input;
SELECT bool_and(tokens <= 48) AS fit, count(*) FROM infer.chunks('tiny', repeat('the cat ', 500));
-- sentences where they fit, else words, else tokens; with an overlap
SELECT ord, chunk, pos, len, tokens FROM infer.chunks('tiny', E'The cat was reading.  A book!\nThe green house and the dog were walking about.', 10);
SELECT ord, chunk, pos, len, tokens FROM infer.chunks('tiny', E'The cat was reading.  A book!\nThe green house and the dog were walking about.', 10, 3);
SELECT * FROM infer.chunks('tiny', 'x', 2);
SELECT * FROM infer.chunks('tiny', 'x', -2147483648);
SELECT * FROM infer.chunks('tiny', 'x', 10, 8);
SELECT * FROM infer.chunks('tiny', 'x', 10, -1);

-- constants are folded, and expressions indexed: the functions are immutable
EXPLAIN (COSTS OFF, VERBOSE) SELECT infer.count_tokens('tiny', 'hello world');
CREATE TABLE texts (t text);
CREATE INDEX ON texts (infer.count_tokens('tiny', t));
INSERT INTO texts VALUES ('the cat'), ('the'), (NULL), ('');
SET enable_seqscan = off;
SELECT t FROM texts WHERE infer.count_tokens('tiny', t) > 2 ORDER BY infer.count_tokens('tiny', t);
DROP TABLE texts;
SELECT infer.drop_model('tiny');
