/*
 * decoder.c: steps of many generations.
 *
 * A step is planned by the leader: which sequences, which of their tokens.  Then the team computes the
 * batch, each thread takes generations and lets them choose, and the leader gives the sequences' caches
 * to those that go on from them.
 *
 * A decoding's memory is one piece: itself, its generation, and twice as many sequences as can be alive, those
 * of this step and of the next.
 */
#include "task/decoder.h"

#include <stdlib.h>
#include <string.h>

#include "model/block.h"

#define STEP_SEQUENCES 1024		 /* of a step; a generation has GENERATION_MAX_SEQUENCES at most */
#define PROMPT_TOKENS 512		 /* of prompts in a step by themselves */
#define PROMPT_TOKENS_BESIDE 128 /* and beside sequences that wait for their next token */
#define STATE_TOKENS 64			 /* of a prompt between two states that are kept of it */
#define STEP_TOKENS (STEP_SEQUENCES + PROMPT_TOKENS)
#define ARENA_BYTES ((size_t) 1 << 26)
#define ALIGN 64

/* A live sequence and its cache. */
typedef struct Sequence
{
	Cache	cache;	 /* its data: (cache_rest_floats) */
	Page  **pages;	 /* (most_pages) */
	float **data;	 /* (most_pages) theirs, as the cache wants them */
	int		n_pages; /* that it holds */
	int32_t token;	 /* its next input, once the prompt is computed */
} Sequence;

/* Behind its public part. */
typedef struct Own
{
	Decoding  decoding;
	Sequence *live, *next; /* (generation_max_live) of this step, and room for the next */
	int		  n_live;
	size_t	  reserved; /* bytes of the pool */
	/* Of the prompt's cache: the last published page; no more can be found or published behind one that could not
	 * be. */
	Page	*published;
	bool	 may_publish;
	int32_t *keys; /* (page_tokens, PAGE_KEYS) */
	/* in the step under way */
	int first_row; /* of its logits; -1: it gets none */
} Own;

/* Tokens of one sequence in a step. */
typedef struct Part
{
	Own		 *own;
	Sequence *sequence;
	int		  n_tokens;
	bool	  prompt;
} Part;

/* What a thread needs to let a generation choose. */
typedef struct Chooser
{
	void  *scratch;
	size_t size;
	Arena  arena;
} Chooser;

struct Decoder
{
	Team	 *team;
	PagePool *pool;
	Workspace workspace;
	float	 *logits; /* (rows, vocab_size) */
	size_t	  logits_size;
	unsigned  turn; /* which decoding is looked at first */

	/* the step */
	Part	 parts[STEP_SEQUENCES];
	int		 n_parts, n_tokens, n_rows, prompt_tokens;
	uint64_t pages_begun[STEP_SEQUENCES]; /* hashes of pages that it computes */
	int		 n_begun;
	int32_t	 offsets[STEP_SEQUENCES + 1];
	int32_t	 ids[STEP_TOKENS], shape_ids[STEP_TOKENS], pronunciation_ids[STEP_TOKENS];
	int32_t	 logit_tokens[STEP_SEQUENCES];
	Cache	 caches[STEP_SEQUENCES];
	Own		*choosing[STEP_SEQUENCES];
	int		 n_choosing;
	long	 n_vocab;
	Chooser	 choosers[]; /* team_size() */
};

/* ---- memory ---- */

Decoder *
decoder_create(Team *team, size_t cache, int page_tokens, Error *error)
{
	int		 threads = team_size(team);
	Decoder *decoder = calloc(1, sizeof *decoder + (size_t) threads * sizeof(Chooser));

	if (decoder == NULL)
	{
		error_set(error, ERR_MEMORY, "out of memory for a decoder");
		return NULL;
	}
	decoder->team = team;
	decoder->pool = page_pool_create(cache, page_tokens, error);
	for (int i = 0; i < threads; i++)
		arena_init(&decoder->choosers[i].arena, ARENA_BYTES);
	if (decoder->pool != NULL)
		return decoder;
	free(decoder);
	return NULL;
}

void
decoder_free(Decoder *decoder)
{
	if (decoder == NULL)
		return;
	for (int i = 0; i < team_size(decoder->team); i++)
	{
		free(decoder->choosers[i].scratch);
		arena_free(&decoder->choosers[i].arena);
	}
	page_pool_free(decoder->pool);
	free(decoder->workspace.base);
	free(decoder->logits);
	free(decoder);
}

PagePool *
decoder_pages(Decoder *decoder)
{
	return decoder->pool;
}

void
decoder_forget(Decoder *decoder, const Model *model)
{
	page_pool_forget(decoder->pool, model);
}

int
decoder_step_tokens(const Decoder *decoder)
{
	return decoder->n_tokens;
}

/* Makes *base at least size bytes, with some to spare so that it seldom grows; what was there is lost. */
static bool
reserve(void **base, size_t *have, size_t size, const char *what, Error *error)
{
	size_t larger = size + size / 4;

	if (size <= *have)
		return true;
	free(*base);
	larger = (larger + ALIGN - 1) / ALIGN * ALIGN;
	*have = 0;
	*base = aligned_alloc(ALIGN, larger);
	if (*base == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %zu bytes of %s", larger, what);
	*have = larger;
	return true;
}

/* ---- sequences ---- */

static void
sequence_clear(PagePool *pool, Sequence *sequence)
{
	while (sequence->n_pages > 0)
		page_drop(pool, sequence->pages[--sequence->n_pages]);
	sequence->cache.length = sequence->cache.padding = 0;
}

static void
sequence_add(Sequence *sequence, Page *page)
{
	sequence->data[sequence->n_pages] = page_data(page);
	sequence->pages[sequence->n_pages++] = page;
}

/* Pages for so many tokens. */
static bool
sequence_extend(PagePool *pool, const Model *model, Sequence *sequence, int n_tokens, Error *error)
{
	while ((long) sequence->n_pages * page_pool_tokens(pool) < n_tokens)
	{
		Page *page = page_take(pool, model);

		if (page == NULL)
			return error_set(error, ERR_MEMORY, "out of memory for %d cached tokens", n_tokens);
		sequence_add(sequence, page);
	}
	return true;
}

/* to becomes what from is: full pages are shared, what the last holds is copied. */
static bool
sequence_copy(PagePool *pool, const Model *model, const Sequence *from, Sequence *to, Error *error)
{
	int	   page_tokens = page_pool_tokens(pool), full = from->cache.length / page_tokens;
	size_t bytes = cache_page_floats(&model->cache, page_tokens) * sizeof(float);

	sequence_clear(pool, to);
	for (int i = 0; i < full; i++)
		sequence_add(to, page_share(from->pages[i]));
	if (!sequence_extend(pool, model, to, from->cache.length, error))
		return false;
	for (int i = full; i < to->n_pages; i++)
		memcpy(to->data[i], from->data[i], bytes);
	memcpy(to->cache.data, from->cache.data, cache_rest_floats(&model->cache, 0) * sizeof(float));
	to->cache.length = from->cache.length;
	to->cache.padding = from->cache.padding;
	return true;
}

/* ---- a decoding comes and goes ---- */

/* Tokens of a sequence that is as long as it can get: nothing follows the last. */
static long
most_tokens(const DecodingInputs *inputs)
{
	return (long) inputs->generation.n_prompt + inputs->generation.options->max_new_tokens - 1;
}

static int
most_pages(const PagePool *pool, const DecodingInputs *inputs)
{
	return (int) (most_tokens(inputs) / page_pool_tokens(pool)) + 1;
}

size_t
decoder_bytes(const Decoder *decoder, const DecodingInputs *inputs)
{
	size_t page = page_pool_bytes(decoder->pool, inputs->model), bytes;
	size_t live = (size_t) generation_max_live(inputs->generation.options);
	size_t common = (size_t) (inputs->generation.n_prompt / page_pool_tokens(decoder->pool));
	size_t own = (size_t) most_pages(decoder->pool, inputs) - common;

	if (__builtin_mul_overflow(live, own, &bytes) ||
		__builtin_add_overflow(bytes, common, &bytes) ||
		__builtin_mul_overflow(bytes, page, &bytes))
		return SIZE_MAX;
	return bytes;
}

/* Lays a decoding out, or counts its bytes over NULL. */
static size_t
lay_out(const Decoder *decoder, const DecodingInputs *inputs, void *base, Own **own,
		void **generation)
{
	size_t live = (size_t) generation_max_live(inputs->generation.options);
	size_t pages = (size_t) most_pages(decoder->pool, inputs);
	size_t rest = cache_rest_floats(&inputs->model->cache, 0);
	Carver carver = {.base = base};
	Own	  *laid = carve(&carver, 1, sizeof(Own));
	void  *keys;

	*generation = carve(&carver, generation_size(&inputs->generation), 1);
	if (laid != NULL)
		*laid = (Own){.may_publish = true};
	for (int side = 0; side < 2; side++)
	{
		Sequence *sequences = carve(&carver, live, sizeof(Sequence));

		for (size_t i = 0; i < live; i++)
		{
			Sequence sequence = {.pages = carve(&carver, pages, sizeof(Page *)),
								 .data = carve(&carver, pages, sizeof(float *)),
								 .cache = {.data = carve(&carver, rest, sizeof(float)),
										   .page_tokens = page_pool_tokens(decoder->pool),
										   .capacity = (int) most_tokens(inputs)}};

			sequence.cache.pages = sequence.data;
			if (sequences != NULL)
				sequences[i] = sequence;
		}
		if (laid != NULL)
			*(side == 0 ? &laid->live : &laid->next) = sequences;
	}
	keys = carve(&carver, (size_t) page_pool_tokens(decoder->pool) * PAGE_KEYS, sizeof(int32_t));
	if (laid != NULL)
		laid->keys = keys;
	*own = laid;
	return carver.used;
}

/* Whether the model can compute the prompt, and a token behind it. */
static bool
check_batches(const DecodingInputs *inputs, Error *error)
{
	int32_t offsets[2] = {0, inputs->generation.n_prompt}, one[2] = {0, 1};
	Cache	cache = {.length = 0};
	Batch	prompt = {.n_seqs = 1,
					  .n_tokens = inputs->generation.n_prompt,
					  .offsets = offsets,
					  .input_ids = inputs->generation.prompt,
					  .shape_ids = inputs->shape_ids,
					  .pronunciation_ids = inputs->pronunciation_ids,
					  .caches = &cache,
					  .max_keys = inputs->generation.n_prompt};
	Batch	step = {.n_seqs = 1,
					.n_tokens = 1,
					.offsets = one,
					.input_ids = inputs->generation.prompt,
					.caches = &cache,
					.max_keys = inputs->generation.n_prompt + 1};

	if (!model_check(inputs->model, &prompt, error))
		return false;
	cache.length = inputs->generation.n_prompt;
	return inputs->generation.options->max_new_tokens == 1 ||
		   model_check(inputs->model, &step, error);
}

static bool
check_inputs(const DecodingInputs *inputs, Error *error)
{
	const Model *model = inputs->model;

	if (model->head != HEAD_CAUSAL_LM || !model->is_decoder)
		return error_set(error, ERR_UNSUPPORTED, "%s does not generate: it is no causal decoder",
						 model->architecture);
	if (inputs->generation.n_vocab != head_outputs(model))
		return error_set(error, ERR_ARGUMENT, "a vocabulary of %d tokens is not the model's of %d",
						 inputs->generation.n_vocab, head_outputs(model));
	if ((inputs->shape_ids != NULL && model->shape_vocab_size == 0) ||
		(inputs->pronunciation_ids != NULL && model->pronunciation_vocab_size == 0))
		return error_set(error, ERR_ARGUMENT, "%s takes neither shape nor pronunciation ids",
						 model->architecture);
	if (most_tokens(inputs) > model->max_tokens)
		return error_set(
			error, ERR_LIMIT,
			"%d tokens of a prompt and %d new ones exceed the %d positions of the model",
			inputs->generation.n_prompt, inputs->generation.options->max_new_tokens,
			model->max_tokens);
	return check_batches(inputs, error);
}

bool
decoder_begin(Decoder *decoder, const DecodingInputs *inputs, Decoding **decoding, Error *error)
{
	size_t need = decoder_bytes(decoder, inputs), limit = page_pool_limit(decoder->pool), size;
	void  *memory, *generation;
	Own	  *own;

	*decoding = NULL;
	if (!check_inputs(inputs, error))
		return false;
	if (need > limit)
		return error_set(
			error, ERR_LIMIT,
			"a generation of up to %ld tokens may need %zu kB of cache, but there are %zu kB",
			most_tokens(inputs), need / 1024, limit / 1024);
	if (!page_pool_reserve(decoder->pool, need))
		return true;
	size = lay_out(decoder, inputs, NULL, &own, &generation);
	memory = aligned_alloc(ALIGN, round_up(size, ALIGN));
	if (memory == NULL)
	{
		page_pool_unreserve(decoder->pool, need);
		return error_set(error, ERR_MEMORY, "out of memory for a generation of %zu bytes", size);
	}
	lay_out(decoder, inputs, memory, &own, &generation);
	own->reserved = need;
	own->n_live = 1;
	own->decoding.inputs = *inputs;
	own->decoding.generation = generation_create(&own->decoding.inputs.generation, generation);
	*decoding = &own->decoding;
	return true;
}

/* What it held of the cache is free again. */
static void
release(Decoder *decoder, Own *own)
{
	int live = generation_max_live(own->decoding.inputs.generation.options);

	for (int i = 0; i < live; i++)
	{
		sequence_clear(decoder->pool, &own->live[i]);
		sequence_clear(decoder->pool, &own->next[i]);
	}
	page_pool_unreserve(decoder->pool, own->reserved);
	own->reserved = 0;
	own->n_live = 0;
	own->decoding.finished = true;
}

void
decoder_end(Decoder *decoder, Decoding *decoding)
{
	Own *own = (Own *) decoding;

	if (!decoding->finished)
		release(decoder, own);
	free(own);
}

/* ---- prompts ---- */

/* Tokens of a prompt that others may have computed: something is left to give the first logits. */
static int
shareable(const PagePool *pool, const DecodingInputs *inputs)
{
	return (inputs->generation.n_prompt - 1) / page_pool_tokens(pool) * page_pool_tokens(pool);
}

/* The keys of the page of a prompt that begins at a token. */
static void
page_keys(const PagePool *pool, const DecodingInputs *inputs, int first, int32_t *keys)
{
	for (int i = 0; i < page_pool_tokens(pool); i++, keys += PAGE_KEYS)
	{
		keys[0] = inputs->generation.prompt[first + i];
		keys[1] = inputs->shape_ids != NULL ? inputs->shape_ids[first + i] : -1;
		keys[2] = inputs->pronunciation_ids != NULL ? inputs->pronunciation_ids[first + i] : -1;
	}
}

/* Tokens of a prompt's page that are padding. */
static int
count_padding(const Decoder *decoder, const DecodingInputs *inputs, int first)
{
	int count = 0;

	for (int i = 0; i < page_pool_tokens(decoder->pool); i++)
		count += inputs->generation.prompt[first + i] == inputs->model->pad_token_id;
	return count;
}

/* The page is published and behind those that the prompt has: it goes on from there. */
static void
adopt(Decoder *decoder, Own *own, Page *page)
{
	Sequence *sequence = &own->live[0];

	sequence->cache.padding +=
		count_padding(decoder, &own->decoding.inputs, sequence->cache.length);
	sequence->cache.length += page_pool_tokens(decoder->pool);
	sequence_add(sequence, page);
	own->published = page;
	own->decoding.n_shared += page_pool_tokens(decoder->pool);
}

/* Gives back the pages behind the first n. */
static void
disown(Decoder *decoder, Own *own, int n)
{
	Sequence *sequence = &own->live[0];
	int		  page_tokens = page_pool_tokens(decoder->pool);

	while (sequence->n_pages > n)
	{
		sequence->cache.length -= page_tokens;
		sequence->cache.padding -=
			count_padding(decoder, &own->decoding.inputs, sequence->cache.length);
		own->decoding.n_shared -= page_tokens;
		page_drop(decoder->pool, sequence->pages[--sequence->n_pages]);
	}
	own->published = n > 0 ? sequence->pages[n - 1] : NULL;
}

/* Takes the pages that follow from other prompts, as far as there are any.  *hash is that of the page that is
 * to be computed next; false: there is none, or it can't be published. */
static bool
take_published(Decoder *decoder, Own *own, uint64_t *hash)
{
	const DecodingInputs *inputs = &own->decoding.inputs;
	const Model			 *model = inputs->model;
	PagePool			 *pool = decoder->pool;
	Sequence			 *sequence = &own->live[0];
	int					  page_tokens = page_pool_tokens(pool), usable = sequence->n_pages;
	size_t				  state = cache_rest_floats(&model->cache, 0) * sizeof(float);
	bool				  more = true;

	if (!own->may_publish || sequence->cache.length % page_tokens != 0)
		return false;
	while (more && sequence->cache.length < shareable(pool, inputs))
	{
		Page *page;

		page_keys(pool, inputs, sequence->cache.length, own->keys);
		*hash = page_hash(pool, model, own->published, own->keys);
		page = page_find(pool, model, own->published, own->keys, *hash);
		more = page != NULL;
		if (!more)
			break;
		adopt(decoder, own, page);
		if (state == 0 || page_state(page) != NULL)
			usable = sequence->n_pages;
	}
	if (sequence->n_pages > usable)
	{
		disown(decoder, own, usable);
		page_keys(pool, inputs, sequence->cache.length, own->keys);
		*hash = page_hash(pool, model, own->published, own->keys);
		more = false;
	}
	if (state > 0 && own->published != NULL && page_state(own->published) != NULL)
		memcpy(sequence->cache.data, page_state(own->published), state);
	own->decoding.n_prompt_done = sequence->cache.length;
	return !more;
}

/* Where the part of a prompt ends that begins at a token, of at most room tokens.  Where a state is to be kept with a
 * page, it ends with that. */
static int
prompt_end(const Decoder *decoder, const DecodingInputs *inputs, int begin, int room)
{
	int n_prompt = inputs->generation.n_prompt, last = shareable(decoder->pool, inputs);
	int end = begin + room < n_prompt ? begin + room : n_prompt, kept;

	if (inputs->model->cache.state == 0 || begin >= last)
		return end;
	kept = (begin / STATE_TOKENS + 1) * STATE_TOKENS;
	if (kept > last)
		kept = last;
	return kept < end ? kept : end;
}

/* Publishes the pages of a prompt that a step has filled. */
static void
publish(Decoder *decoder, Own *own)
{
	const DecodingInputs *inputs = &own->decoding.inputs;
	PagePool			 *pool = decoder->pool;
	Sequence			 *sequence = &own->live[0];
	int page_tokens = page_pool_tokens(pool), full = sequence->cache.length / page_tokens;

	for (int i = own->decoding.n_prompt_done / page_tokens; own->may_publish && i < full; i++)
	{
		bool		 last = (i + 1) * page_tokens == sequence->cache.length;
		const float *state = inputs->model->cache.state > 0 && last ? sequence->cache.data : NULL;
		Page		*page;
		uint64_t	 hash;

		page_keys(pool, inputs, i * page_tokens, own->keys);
		hash = page_hash(pool, inputs->model, own->published, own->keys);
		page = page_publish(pool, inputs->model, sequence->pages[i], own->published, own->keys,
							hash, state);
		sequence->pages[i] = page;
		sequence->data[i] = page_data(page);
		own->published = page;
		own->may_publish = page_is_published(page);
	}
	own->decoding.n_prompt_done = sequence->cache.length;
}

/* ---- planning a step ---- */

static bool
prompt_is_done(const Own *own)
{
	return own->decoding.n_prompt_done == own->decoding.inputs.generation.n_prompt;
}

/* Adds tokens of a sequence to the step; a decoding without memory for them fails alone. */
static bool
add_part(Decoder *decoder, Own *own, Sequence *sequence, int n_tokens, bool prompt)
{
	Decoding *decoding = &own->decoding;

	if (!sequence_extend(decoder->pool, decoding->inputs.model, sequence,
						 sequence->cache.length + n_tokens, &decoding->error))
		return false;
	decoder->parts[decoder->n_parts++] =
		(Part){.own = own, .sequence = sequence, .n_tokens = n_tokens, .prompt = prompt};
	decoder->n_tokens += n_tokens;
	decoding->n_step_tokens += n_tokens;
	return true;
}

/* The next token of each live sequence. */
static void
plan_tokens(Decoder *decoder, Own *own)
{
	int n_parts = decoder->n_parts, n_tokens = decoder->n_tokens;

	if (decoder->n_parts + own->n_live > STEP_SEQUENCES)
		return;
	for (int i = 0; i < own->n_live; i++)
		if (!add_part(decoder, own, &own->live[i], 1, false))
		{
			decoder->n_parts = n_parts;
			decoder->n_tokens = n_tokens;
			own->decoding.n_step_tokens = 0;
			return;
		}
}

/* A part of the prompt, unless another one of this step computes the page that is next, too: it will be there
 * then. */
static void
plan_prompt(Decoder *decoder, Own *own, int room)
{
	Sequence *sequence = &own->live[0];
	uint64_t  hash = 0;
	bool	  publishable = take_published(decoder, own, &hash);
	int		  begin = sequence->cache.length;
	int		  end = prompt_end(decoder, &own->decoding.inputs, begin, room);

	if (decoder->n_parts == STEP_SEQUENCES)
		return;
	for (int i = 0; publishable && i < decoder->n_begun; i++)
		if (decoder->pages_begun[i] == hash)
			return;
	if (!add_part(decoder, own, sequence, end - begin, true))
		return;
	decoder->prompt_tokens += end - begin;
	if (publishable)
		decoder->pages_begun[decoder->n_begun++] = hash;
}

/* RoCBert computes tokens with shapes and pronunciations otherwise than such without. */
static bool
same_inputs(const DecodingInputs *a, const DecodingInputs *b)
{
	return (a->shape_ids == NULL) == (b->shape_ids == NULL) &&
		   (a->pronunciation_ids == NULL) == (b->pronunciation_ids == NULL);
}

/* Sequences that are decoding first, all of them; prompts in what room is left. */
static void
plan(Decoder *decoder, Decoding *const *decodings, int n)
{
	unsigned turn = decoder->turn++ % (unsigned) n;
	int		 room;

	decoder->n_parts = decoder->n_tokens = decoder->n_begun = decoder->prompt_tokens = 0;
	for (int i = 0; i < n; i++)
		decodings[i]->n_step_tokens = 0;
	for (int prompts = 0; prompts < 2; prompts++)
	{
		room = decoder->n_parts > 0 ? PROMPT_TOKENS_BESIDE : PROMPT_TOKENS;
		for (int i = 0; i < n; i++)
		{
			/* prompts in their order, or many would take long together */
			Own *own =
				(Own *) decodings[prompts ? (unsigned) i : (turn + (unsigned) i) % (unsigned) n];

			own->first_row = -1;
			if (own->decoding.error.code != ERR_NONE || prompt_is_done(own) != (prompts == 0) ||
				!same_inputs(&own->decoding.inputs, &decodings[turn]->inputs))
				continue;
			if (!prompts)
				plan_tokens(decoder, own);
			else if (decoder->prompt_tokens < room)
				plan_prompt(decoder, own, room - decoder->prompt_tokens);
		}
	}
}

/* ---- computing ---- */

static int32_t
id_at(const Part *part, int token)
{
	return part->prompt ? part->own->decoding.inputs.generation.prompt[token]
						: part->sequence->token;
}

/* What the last token of the prompt has counts for those behind it. */
static int32_t
glyph_at(const DecodingInputs *inputs, const int32_t *glyphs, int token)
{
	int last = inputs->generation.n_prompt - 1;

	return glyphs != NULL ? glyphs[token < last ? token : last] : 0;
}

/* Lays the parts end to end. */
static Batch
make_batch(Decoder *decoder)
{
	const DecodingInputs *first = &decoder->parts[0].own->decoding.inputs;
	Batch				  batch = {.n_seqs = decoder->n_parts,
								   .offsets = decoder->offsets,
								   .input_ids = decoder->ids,
								   .caches = decoder->caches,
								   .logit_tokens = decoder->logit_tokens};

	for (int i = 0; i < decoder->n_parts; i++)
	{
		const Part			 *part = &decoder->parts[i];
		const DecodingInputs *inputs = &part->own->decoding.inputs;
		Cache				 *cache = &part->sequence->cache;
		int					  end = cache->length + part->n_tokens;

		cache->continues = part->prompt;
		decoder->caches[i] = *cache;
		decoder->offsets[i] = batch.n_tokens;
		for (int token = cache->length; token < end; token++, batch.n_tokens++)
		{
			decoder->ids[batch.n_tokens] = id_at(part, token);
			decoder->shape_ids[batch.n_tokens] = glyph_at(inputs, inputs->shape_ids, token);
			decoder->pronunciation_ids[batch.n_tokens] =
				glyph_at(inputs, inputs->pronunciation_ids, token);
		}
		if (end > batch.max_keys)
			batch.max_keys = end;
		if (part->prompt && end < inputs->generation.n_prompt)
			continue;
		if (part->own->first_row < 0)
		{
			part->own->first_row = batch.n_logit_tokens;
			decoder->choosing[decoder->n_choosing++] = part->own;
		}
		decoder->logit_tokens[batch.n_logit_tokens++] = batch.n_tokens - 1;
	}
	decoder->offsets[batch.n_seqs] = batch.n_tokens;
	batch.shape_ids = first->shape_ids != NULL ? decoder->shape_ids : NULL;
	batch.pronunciation_ids = first->pronunciation_ids != NULL ? decoder->pronunciation_ids : NULL;
	return batch;
}

static bool
compute(Decoder *decoder, const Model *model, const Crew *crew, Error *error)
{
	Batch  batch;
	size_t size;
	Output output;

	decoder->n_choosing = 0;
	batch = make_batch(decoder);
	decoder->n_rows = batch.n_logit_tokens;
	decoder->n_vocab = head_outputs(model);
	size = (size_t) decoder->n_rows * (size_t) decoder->n_vocab * sizeof(float);
	if (!reserve((void **) &decoder->logits, &decoder->logits_size, size, "logits", error))
		return false;
	batch.logits = decoder->n_rows > 0 ? decoder->logits : NULL;
	size = model->family->workspace(model, &batch, crew->size);
	if (!reserve((void **) &decoder->workspace.base, &decoder->workspace.size, size,
				 "a step's workspace", error))
		return false;
	if (!model_forward(model, &batch, &decoder->workspace, crew, &output))
		return error_set(error, ERR_CANCELLED, "the computation was cancelled");
	for (int i = 0; i < decoder->n_parts; i++)
	{
		decoder->parts[i].sequence->cache = decoder->caches[i];
		if (decoder->parts[i].prompt)
			publish(decoder, decoder->parts[i].own);
	}
	return true;
}

/* ---- choosing tokens ---- */

static void
choose(Decoder *decoder, Own *own, Chooser *chooser)
{
	Decoding *decoding = &own->decoding;
	size_t	  size = generation_scratch(&decoding->inputs.generation);

	if (reserve(&chooser->scratch, &chooser->size, size, "choosing tokens", &decoding->error))
		generation_step(decoding->generation,
						decoder->logits + (long) own->first_row * decoder->n_vocab,
						decoder->n_vocab, chooser->scratch, &chooser->arena, &decoding->error);
}

static void
choose_item(void *argument, int item, int rank)
{
	Decoder *decoder = argument;

	choose(decoder, decoder->choosing[item], &decoder->choosers[rank]);
}

static void
swap(Sequence *a, Sequence *b)
{
	Sequence other = *a;

	*a = *b;
	*b = other;
	a->cache.pages = a->data;
	b->cache.pages = b->data;
}

/* Gives the caches to the sequences that go on from theirs: a copy to each but the last, which takes
 * them over.  First what nobody goes on from is dropped, so that no more is held than was reserved. */
static bool
move_on(Decoder *decoder, Own *own)
{
	Generation			 *generation = own->decoding.generation;
	const GenerationMove *moves = generation_moves(generation);
	int		  n = generation_n_live(generation), children[GENERATION_MAX_SEQUENCES] = {0};
	Sequence *live = own->live;

	for (int i = 0; i < n; i++)
		children[moves[i].parent]++;
	for (int i = 0; i < own->n_live; i++)
		if (children[i] == 0)
			sequence_clear(decoder->pool, &live[i]);
	for (int i = 0; i < n; i++)
	{
		Sequence *parent = &live[moves[i].parent];

		if (--children[moves[i].parent] == 0)
			swap(&own->next[i], parent);
		else if (!sequence_copy(decoder->pool, own->decoding.inputs.model, parent, &own->next[i],
								&own->decoding.error))
			return false;
		own->next[i].token = moves[i].token;
	}
	own->live = own->next;
	own->next = live;
	own->n_live = n;
	return true;
}

bool
decoder_step(Decoder *decoder, Decoding *const *decodings, int n, atomic_bool *cancel, Error *error)
{
	Crew crew = crew_of_team(decoder->team, cancel);

	plan(decoder, decodings, n);
	if (decoder->n_parts > 0)
	{
		if (!compute(decoder, decodings[0]->inputs.model, &crew, error))
			return false;
		crew_each(&crew, decoder->n_choosing, choose_item, decoder);
	}
	else
		decoder->n_choosing = 0;
	for (int i = 0; i < decoder->n_choosing; i++)
	{
		Own *own = decoder->choosing[i];

		if (own->decoding.error.code == ERR_NONE && generation_n_live(own->decoding.generation) > 0)
			move_on(decoder, own);
		else
			own->n_live = 0;
	}
	for (int i = 0; i < n; i++)
	{
		Own *own = (Own *) decodings[i];

		if (own->n_live == 0 || own->decoding.error.code != ERR_NONE)
			release(decoder, own);
	}
	return true;
}
