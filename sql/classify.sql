-- Functions over whole texts: labels, scores, choices, likelihoods.  Values are compared with Transformers' in
-- test/pgtap/pipelines.sql; here it is about arguments.
\getenv srcdir PG_ABS_SRCDIR
\set fixtures :srcdir '/test/reference/pipelines/'
\set sentiment :fixtures 'classify-bert'
\set tags :fixtures 'classify-bert-multi'
\set nli :fixtures 'zero-bert'
\set ranker :fixtures 'score-bert'
\set choices :fixtures 'choose-roformer'
\set causal :fixtures 'causal-opt'
\set masked :fixtures 'mask-bert'
\set tiny :srcdir '/test/models/tiny-bert'
SELECT infer.create_model('sentiment', :'sentiment', '{"max_length": 40}') IS NOT NULL AND infer.create_model('tags', :'tags') IS NOT NULL
       AND infer.create_model('nli', :'nli') IS NOT NULL AND infer.create_model('ranker', :'ranker') IS NOT NULL
       AND infer.create_model('choices', :'choices', '{"use_fast": false}') IS NOT NULL AND infer.create_model('causal', :'causal', '{"use_fast": true}') IS NOT NULL
       AND infer.create_model('masked', :'masked') IS NOT NULL AND infer.create_model('tiny', :'tiny') IS NOT NULL AS created;

-- labels
SELECT infer.labels('sentiment'), infer.labels('ranker'), infer.labels('tiny');
SELECT infer.create_model('named', :'sentiment', '{"labels": ["minus", "plus", "±", "both"]}') IS NOT NULL AS created;
SELECT infer.labels('named'), infer.classify('named', 'Hello, my dog is cute'), infer.classify('sentiment', 'Hello, my dog is cute');

-- classify and its siblings agree
CREATE TABLE texts (id int, t text);
INSERT INTO texts VALUES (1, 'Hello, my dog is cute'), (2, ''), (3, NULL), (4, 'naïve 你好 😀 é'), (5, E'\u200b\u00a0\t\n'),
    (6, 'Director tried too much.'), (7, repeat('a ', 30));
SELECT id, infer.classify('sentiment', t) IS NULL AS is_null, infer.classify('sentiment', t) = s.label AS best, s.n, s.sum, s.ordered
FROM texts LEFT JOIN LATERAL (
    SELECT (array_agg(label))[1] AS label, count(*) AS n, round(sum(score)::numeric, 5) AS sum,
           array_agg(score) = array_agg(score ORDER BY score DESC) AS ordered
    FROM infer.classify_scores('sentiment', t)) s ON true ORDER BY id;
SELECT m.ord, m.label IS NOT DISTINCT FROM infer.classify('sentiment', t) AS same_label,
       m.score IS NOT DISTINCT FROM (SELECT max(score) FROM infer.classify_scores('sentiment', t)) AS same_score
FROM infer.classify_many('sentiment', ARRAY(SELECT t FROM texts ORDER BY id)) m JOIN texts ON id = ord ORDER BY ord;
SELECT count(*), count(DISTINCT label) > 1 AS several, bool_and(label = infer.classify('sentiment', t)) AS same
FROM (SELECT array_agg(CASE i % 3 WHEN 0 THEN 'Hello, my dog is cute ' WHEN 1 THEN 'Director tried too much. ' ELSE '' END || i) AS a
      FROM generate_series(1, 700) i) v, infer.classify_many('sentiment', a) m, LATERAL (SELECT a[ord]) AS t(t);
SELECT * FROM infer.classify_many('sentiment', '{}');
SELECT * FROM infer.classify_many('sentiment', NULL);
SELECT p.label = infer.classify('sentiment', 'Hello', 'my dog') AS pair, s.label = infer.classify('sentiment', 'Hello') AS single
FROM (SELECT label FROM infer.classify_many('sentiment', '{Hello,Hello}', '{my dog,NULL}') LIMIT 1) p,
     (SELECT label FROM infer.classify_many('sentiment', '{Hello,Hello}', '{my dog,NULL}') OFFSET 1) s;
SELECT * FROM infer.classify_many('sentiment', '{a,b}', '{c}');
SELECT * FROM infer.classify_many('sentiment', ARRAY['ok', repeat('a ', 50)]);

-- arguments
SELECT infer.classify(NULL, 'x') IS NULL AS model, infer.classify('sentiment', NULL, 'x') IS NULL AS input,
       infer.classify('sentiment', 'x', NULL, NULL) = infer.classify('sentiment', 'x') AS defaults,
       infer.classify_labels('tags', NULL) IS NULL AS labels, infer.score('ranker', NULL, 'x') IS NULL AS score,
       infer.choose('choices', NULL, '{a}') IS NULL AS prompt, infer.choose('choices', 'x', NULL) IS NULL AS choices,
       infer.log_likelihood('causal', NULL) IS NULL AS likelihood, infer.perplexity('causal', NULL) IS NULL AS perplexity;
SELECT count(*) FROM infer.classify_scores('sentiment', NULL), infer.zero_shot('nli', NULL, '{a}'), infer.rerank('ranker', 'q', NULL),
    infer.choose_scores('choices', 'p', NULL), infer.token_logprobs('causal', NULL);
SELECT count(*) FROM infer.classify_scores('sentiment', 'x', top_k => 2);
SELECT count(*) FROM infer.classify_scores('sentiment', 'x', top_k => 100);
SELECT * FROM infer.classify_scores('sentiment', 'x', top_k => 0);
SELECT * FROM infer.classify_scores('sentiment', 'x', top_k => -1);
SELECT * FROM infer.classify_scores('sentiment', 'x', function_to_apply => 'tanh');
SELECT bool_and(s.score > 0 AND s.score < 1) AS sigmoid, bool_and(abs(s.score - 1 / (1 + exp(-n.score))) < 1e-6) AS same
FROM infer.classify_scores('sentiment', 'x', function_to_apply => 'Sigmoid') s
JOIN infer.classify_scores('sentiment', 'x', function_to_apply => 'NONE') n USING (label);
SELECT infer.classify('sentiment', repeat('a ', 50));
SELECT infer.classify('sentiment', repeat('a ', 50), truncate => 'end') = infer.classify('sentiment', repeat('a ', 38)) AS cut;
SELECT infer.classify('sentiment', 'x', truncate => 'middle');
SELECT t, l = ARRAY(SELECT label FROM infer.classify_scores('tags', 'Director tried too much.') WHERE score > t) AS same
FROM unnest('{0,0.2,0.5,0.9,1}'::real[]) t, infer.classify_labels('tags', 'Director tried too much.', t) l;
SELECT infer.classify_labels('tags', 'x', 1.5);
SELECT infer.classify_labels('tags', 'x', 'NaN');

-- zero_shot: labels are as they were given
SELECT array_agg(label ORDER BY label) AS labels, round(sum(score)::numeric, 5) AS sum
FROM infer.zero_shot('nli', 'Hello, my dog is cute', ARRAY['sports', 'Ünïcödé 😀', '', 'a {} b', 'sports']);
SELECT round(score::numeric, 5) FROM infer.zero_shot('nli', 'x', '{a,a}');
SELECT * FROM infer.zero_shot('nli', 'x', '{}');
SELECT * FROM infer.zero_shot('nli', 'x', '{a,NULL}');
SELECT * FROM infer.zero_shot('nli', 'x', '{a}', 'no place');
SELECT * FROM infer.zero_shot('nli', 'x', '{a}', '{} and {}');
SELECT * FROM infer.zero_shot('nli', 'x', '{a}', 'half {');
SELECT * FROM infer.zero_shot('nli', 'x', '{a}', '{name}');
SELECT count(*) FROM infer.zero_shot('nli', 'x', '{a}', '{{}} {}');
SELECT d.score = n.score AS null_is_default FROM infer.zero_shot('nli', 'x', '{a}') d, infer.zero_shot('nli', 'x', '{a}', NULL, NULL) n;
SELECT * FROM infer.zero_shot('sentiment', 'x', '{a}');

-- score and rerank
SELECT infer.score('ranker', 'q', 'd') BETWEEN 0 AND 1 AS probability,
       abs(infer.score('ranker', 'q', 'd') - 1 / (1 + exp(-infer.score('ranker', 'q', 'd', function_to_apply => 'none')))) < 1e-6 AS sigmoid;
SELECT infer.score('sentiment', 'q', 'd');
SELECT r.ord, r.document, r.score = infer.score('ranker', 'my dog', r.document) AS same, r.score >= lead(r.score, 1, 0) OVER () AS ordered
FROM infer.rerank('ranker', 'my dog', ARRAY['Hello, my dog is cute', NULL, '', 'cat', 'cat']) r ORDER BY ord;
SELECT array_agg(ord) FROM infer.rerank('ranker', 'q', ARRAY['x', 'x', 'x']);
SELECT count(*) FROM infer.rerank('ranker', 'q', '{a,b,c}', top_k => 2);
SELECT count(*) FROM infer.rerank('ranker', 'q', '{}');
SELECT count(*), count(DISTINCT ord) FROM infer.rerank('ranker', 'q', ARRAY(SELECT 'document ' || i FROM generate_series(1, 3000) i));
SELECT * FROM infer.rerank('ranker', 'q', '{a}', 0);
SELECT * FROM infer.rerank('sentiment', 'q', '{a}');

-- choose: a choice's number, the first of equal ones
SELECT infer.choose('choices', 'x', '{a,a}') AS first, infer.choose('choices', '', '{a}') AS only;
SELECT bool_and(infer.choose('choices', p, c) = (SELECT ord FROM infer.choose_scores('choices', p, c) ORDER BY score DESC, ord LIMIT 1)) AS same
FROM (VALUES ('It is', '{good,bad and long}'::text[]), ('', '{x,y z,你好}'), ('naïve 😀', '{a b c,d}')) v(p, c);
SELECT ord, choice, round(sum(score) OVER ()::numeric, 5) AS sum FROM infer.choose_scores('choices', 'x', '{one,two three}');
SELECT infer.choose('choices', 'x', '{}');
SELECT infer.choose('choices', 'x', '{a,NULL}');

-- likelihoods: the first token of a causal model has none, nor have a masked model's special ones
SELECT ord, token, token_id, logprob < 0 AS logprob FROM infer.token_logprobs('causal', 'my dog');
SELECT token, logprob < 0 AS logprob FROM infer.token_logprobs('masked', 'the dog');
SELECT split_part(m::text, '@', 1) AS m, t, abs(infer.log_likelihood(m, t) - sum(logprob::float8)) < 1e-9 AS sum,
       abs(infer.perplexity(m, t) - exp(-avg(logprob::float8))) < 1e-6 * infer.perplexity(m, t) AS perplexity
FROM unnest('{causal,masked}'::infer.model[]) m, unnest(ARRAY['my dog is cute', '你好 😀']) t, infer.token_logprobs(m, t)
GROUP BY m::text, m, t ORDER BY m::text, t;
SELECT abs(infer.log_likelihood(m, ' is cute', 'my dog') + infer.log_likelihood(m, 'my dog') - infer.log_likelihood(m, 'my dog is cute')) < 1e-4 AS chain,
       infer.log_likelihood(m, 'my dog', '') = infer.log_likelihood(m, 'my dog') AS empty_context
FROM unnest('{causal}'::infer.model[]) m;
SELECT infer.log_likelihood('causal', '') AS causal, infer.log_likelihood('masked', '') AS masked, infer.perplexity('masked', '');
SELECT infer.log_likelihood('causal', repeat('dog ', 300));

-- a model without the head
SELECT infer.classify('tiny', 'x');
SELECT * FROM infer.choose_scores('sentiment', 'x', '{a}');
SELECT infer.perplexity('nli', 'x');

-- rights
CREATE ROLE regress_classify;
SET ROLE regress_classify;
SELECT infer.classify('sentiment', 'x');
SELECT * FROM infer.rerank('ranker', 'q', '{a}');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER sentiment TO regress_classify;
SET ROLE regress_classify;
SELECT infer.classify('sentiment', 'Hello, my dog is cute') IS NOT NULL AS granted;
RESET ROLE;
REVOKE ALL ON FOREIGN SERVER sentiment FROM regress_classify;
DROP ROLE regress_classify;

SELECT infer.drop_model(m) FROM unnest('{sentiment,tags,nli,ranker,choices,causal,masked,tiny,named}'::text[]) m;
DROP TABLE texts;
